"""Bounded reading: whole files up to a limit, and bytes taken one field after the other."""

from typing import BinaryIO

from registry.proof.errors import MalformedProofError, ProofTooLargeError

VARUINT_BYTES_MAX = 10
"""Enough for 64 bits. Without a limit, reading long numbers would take quadratic time."""


def read_full(stream: BinaryIO, count: int) -> bytes:
    """Read so many bytes, or what is left of a stream, however few of them it gives at a time."""
    data = stream.read(count)
    if len(data) in {0, count}:
        return data
    pieces, left = [data], count - len(data)
    while left and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def read_limited(stream: BinaryIO, bytes_max: int) -> bytes:
    """Read a stream to its end, but never more than one byte over the limit.

    Raises ProofTooLargeError if there is more.
    """
    data = read_full(stream, bytes_max + 1)
    if len(data) > bytes_max:
        raise ProofTooLargeError(f"larger than the read limit of {bytes_max} bytes")
    return data


SIZE_PREFIX_MIN = 0xFD
"""In a CompactSize, this byte and those above it say how many bytes hold the number."""

CONTINUED = 0x80
"""In a varuint, the bit that says that another byte follows."""


class ByteReader:
    """Take fields from a byte string; whatever is wrong with them raises the given error."""

    def __init__(self, data: bytes, error: type[MalformedProofError]) -> None:
        self._data = data
        self._offset = 0
        self._error = error

    def take(self, length: int) -> bytes:
        """Return exactly the next `length` bytes."""
        end = self._offset + length
        if end > len(self._data):
            raise self._error(f"truncated: {length} bytes are wanted at offset {self._offset}")
        taken = self._data[self._offset : end]
        self._offset = end
        return taken

    def take_little(self, length: int) -> int:
        """Return an unsigned little-endian integer of `length` bytes."""
        return int.from_bytes(self.take(length), "little")

    def take_compact_size(self) -> int:
        """Return Bitcoin's CompactSize integer, which has one encoding per value."""
        first = self.take_little(1)
        if first < SIZE_PREFIX_MIN:
            return first
        length = 1 << (first - SIZE_PREFIX_MIN + 1)
        value = self.take_little(length)
        if value < {2: SIZE_PREFIX_MIN, 4: 1 << 16, 8: 1 << 32}[length]:
            raise self._error("a size is not in its shortest form")
        return value

    def take_varuint(self) -> int:
        """Return OpenTimestamps' little-endian base 128 integer; longer encodings of a value are accepted."""
        value = 0
        for position in range(VARUINT_BYTES_MAX):
            byte = self.take_little(1)
            value |= (byte & ~CONTINUED) << (7 * position)
            if byte < CONTINUED:
                return value
        raise self._error(f"a number is longer than {VARUINT_BYTES_MAX} bytes")

    def take_varbytes(self, length_min: int, length_max: int) -> bytes:
        """Return OpenTimestamps' byte string: its length, then its bytes."""
        length = self.take_varuint()
        if not length_min <= length <= length_max:
            raise self._error(f"a string of {length} bytes, not {length_min} to {length_max}")
        return self.take(length)

    def finish(self) -> None:
        """Refuse trailing bytes."""
        if self._offset != len(self._data):
            raise self._error(f"{len(self._data) - self._offset} trailing bytes")
