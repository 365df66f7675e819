"""RIPEMD-160 and Keccak-256, which OpenTimestamps proofs may use and many builds of Python lack.

Sources: Dobbertin, Bosselaers, Preneel, "RIPEMD-160: A Strengthened Version of RIPEMD" (1996); Bertoni, Daemen,
Peeters, Van Assche, "The Keccak reference" 3.0 (2011). Keccak-256 is Keccak as it was submitted, with the padding
10*1, and not SHA3-256. Both are slow here: they are for a few short messages, or for a file whose proof names them.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

_WORD = (1 << 32) - 1
_LANE = (1 << 64) - 1


class BlockHash(ABC):
    """A hash that takes its message in blocks and pads the last. Its methods are those of hashlib's objects."""

    block_size: ClassVar[int]

    def __init__(self) -> None:
        self._left = b""
        self._length = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes of the message."""
        self._length += len(data)
        self._left = self._take_blocks(self._left + bytes(data))

    def digest(self) -> bytes:
        """Return the hash of the message, which is complete by this."""
        self._take_blocks(self._left + self._pad())
        return self._finish()

    def _take_blocks(self, data: bytes) -> bytes:
        """Mix whole blocks in and return what is left."""
        end = len(data) - len(data) % self.block_size
        for start in range(0, end, self.block_size):
            self._mix(data[start : start + self.block_size])
        return data[end:]

    @abstractmethod
    def _pad(self) -> bytes:
        """Return what follows the message."""

    @abstractmethod
    def _mix(self, block: bytes) -> None:
        """Mix one block into the state."""

    @abstractmethod
    def _finish(self) -> bytes:
        """Return the hash that the state stands for."""


_Mixer = Callable[[int, int, int], int]

_MIXERS: tuple[_Mixer, ...] = (
    lambda x, y, z: x ^ y ^ z,
    lambda x, y, z: (x & y) | (~x & z),
    lambda x, y, z: (x | ~y) ^ z,
    lambda x, y, z: (x & z) | (y & ~z),
    lambda x, y, z: x ^ (y | ~z),
)
_LEFT_CONSTANTS = (0, 0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xA953FD4E)
_RIGHT_CONSTANTS = (0x50A28BE6, 0x5C4DD124, 0x6D703EF3, 0x7A6D76E9, 0)
_RHO = (7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8)
_SHIFTS = (
    (11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8),
    (12, 13, 11, 15, 6, 9, 9, 7, 12, 15, 11, 13, 7, 8, 7, 7),
    (13, 15, 14, 11, 7, 7, 6, 8, 13, 14, 13, 12, 5, 5, 6, 9),
    (14, 11, 12, 14, 8, 6, 5, 5, 15, 12, 15, 14, 9, 9, 8, 6),
    (15, 12, 13, 13, 9, 5, 8, 6, 14, 11, 12, 11, 8, 6, 5, 5),
)
"""By how much each word of the block is rotated, in each round."""

_Step = tuple[_Mixer, int, int, int]


def _list_steps(places: list[int], mixers: tuple[_Mixer, ...], keys: tuple[int, ...]) -> list[_Step]:
    """Return a line's 80 steps: mixer, place of the word, shift, constant. The places go by rho from round to round."""
    steps = []
    for mixer, key, shifts in zip(mixers, keys, _SHIFTS, strict=True):
        steps += [(mixer, place, shifts[place], key) for place in places]
        places = [_RHO[place] for place in places]
    return steps


_LEFT = _list_steps(list(range(16)), _MIXERS, _LEFT_CONSTANTS)
_RIGHT = _list_steps([(9 * place + 5) % 16 for place in range(16)], _MIXERS[::-1], _RIGHT_CONSTANTS)


class Ripemd160(BlockHash):
    """RIPEMD-160, 20 bytes."""

    block_size = 64

    def __init__(self) -> None:
        super().__init__()
        self._state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0)

    def _pad(self) -> bytes:
        zeros = -(self._length + 9) % self.block_size
        return b"\x80" + bytes(zeros) + (8 * self._length % (1 << 64)).to_bytes(8, "little")

    def _mix(self, block: bytes) -> None:
        words = struct.unpack("<16I", block)
        left, right = self._run_line(words, _LEFT), self._run_line(words, _RIGHT)
        self._state = tuple(  # type: ignore[assignment]  # five words, as before
            (self._state[(n + 1) % 5] + left[(n + 2) % 5] + right[(n + 3) % 5]) & _WORD for n in range(5)
        )

    def _run_line(self, words: tuple[int, ...], steps: list[_Step]) -> tuple[int, int, int, int, int]:
        a, b, c, d, e = self._state
        for mixer, place, shift, key in steps:
            mixed = (a + mixer(b, c, d) + words[place] + key) & _WORD
            turned = (mixed << shift | mixed >> (32 - shift)) + e & _WORD
            a, b, c, d, e = e, turned, b, (c << 10 | c >> 22) & _WORD, d
        return a, b, c, d, e

    def _finish(self) -> bytes:
        return struct.pack("<5I", *self._state)


def _list_round_constants() -> Iterator[int]:
    """Yield the constants of Keccak-f's 24 rounds, whose bits at 2**j - 1 come from a shift register."""
    register = 1
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << (2**j - 1)
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        yield constant


def _list_moves() -> Iterator[tuple[int, int, int]]:
    """Yield the steps rho and pi: which lane moves to which place, rotated by how much. Lane (x, y) is x + 5 y."""
    x, y = 1, 0
    for t in range(24):
        target = y, (2 * x + 3 * y) % 5
        yield x + 5 * y, target[0] + 5 * target[1], (t + 1) * (t + 2) // 2 % 64
        x, y = target


_ROUND_CONSTANTS, _MOVES = tuple(_list_round_constants()), tuple(_list_moves())


class Keccak256(BlockHash):
    """Keccak[r=1088, c=512] with the padding 10*1, 32 bytes."""

    block_size = 136

    def __init__(self) -> None:
        super().__init__()
        self._lanes = [0] * 25

    def _pad(self) -> bytes:
        wanted = self.block_size - self._length % self.block_size
        return b"\x81" if wanted == 1 else b"\x01" + bytes(wanted - 2) + b"\x80"

    def _mix(self, block: bytes) -> None:
        for place, lane in enumerate(struct.unpack("<17Q", block)):
            self._lanes[place] ^= lane
        for constant in _ROUND_CONSTANTS:
            self._lanes = _run_round(self._lanes, constant)

    def _finish(self) -> bytes:
        return struct.pack("<4Q", *self._lanes[:4])


def _run_round(lanes: list[int], constant: int) -> list[int]:
    """Run one round of Keccak-f[1600]: theta, rho and pi, chi, iota."""
    sums = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
    effects = [sums[x - 1] ^ _rotate(sums[(x + 1) % 5], 1) for x in range(5)]
    moved = [lanes[0] ^ effects[0]] + [0] * 24
    for source, target, shift in _MOVES:
        moved[target] = _rotate(lanes[source] ^ effects[source % 5], shift)
    mixed = [
        moved[y + x] ^ (~moved[y + (x + 1) % 5] & moved[y + (x + 2) % 5]) for y in range(0, 25, 5) for x in range(5)
    ]
    mixed[0] ^= constant
    return mixed


def _rotate(lane: int, shift: int) -> int:
    return (lane << shift | lane >> (64 - shift)) & _LANE
