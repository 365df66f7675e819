"""The verifier's own reading of a file: SHA-256, length and BitTorrent v2's pieces root.

It shares no code with the module that computes these when a blob is stored: a check by the same code is no
check.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

BLOCK_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Measured:
    """What a file measures. An empty file has a root of 32 zero bytes, and no record but a bare digest."""

    sha256: bytes
    length: int
    root: bytes


class _Meter:
    """Yields the hash of each block of a stream, counting and hashing the whole meanwhile."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()
        self.length = 0

    def hash_blocks(self) -> Iterator[bytes]:
        while block := self._stream.read(BLOCK_BYTES):
            self.sha256.update(block)
            self.length += len(block)
            yield hashlib.sha256(block).digest()


def measure_file(stream: BinaryIO) -> Measured:
    """Read a buffered binary stream to its end and measure it. Source: BEP 52, "pieces root"."""
    meter = _Meter(stream)
    root = pieces_root(meter.hash_blocks())
    return Measured(sha256=meter.sha256.digest(), length=meter.length, root=root)


def pieces_root(block_hashes: Iterator[bytes]) -> bytes:
    """Return the root over the hashes of blocks: the tree doubles until every block is in it."""
    root, height = next(block_hashes, bytes(32)), 0
    while (first := next(block_hashes, None)) is not None:
        right = _take_subtree(chain((first,), block_hashes), height)
        root = hashlib.sha256(root + right).digest()
        height += 1
    return root


def _take_subtree(block_hashes: Iterator[bytes], height: int) -> bytes:
    """Return the root of the next 2**height blocks; those that are missing are 32 zero bytes."""
    if height == 0:
        return next(block_hashes, bytes(32))
    left = _take_subtree(block_hashes, height - 1)
    return hashlib.sha256(left + _take_subtree(block_hashes, height - 1)).digest()
