"""The digest that names a blob: SHA-256, length and BitTorrent v2's pieces root, in one streaming pass.

The root is a SHA-256 Merkle tree over blocks of 16 KiB (BEP 52), so any part of a blob can be checked alone.
Memory grows with the logarithm of the length. Only hashlib is used: the client imports this module too.
"""

import hashlib
from dataclasses import dataclass
from typing import BinaryIO

from storage.errors import EmptyBlobError

BLOCK_BYTES = 16 * 1024
READ_BYTES = 1024 * 1024
ZERO_LEAF = bytes(32)


@dataclass(frozen=True, slots=True)
class Digest:
    """What names a blob. `sha256` and `root` are 32 bytes each; `root` means nothing without `length`."""

    sha256: bytes
    length: int
    root: bytes


class BlobDigest:
    """Digest a blob that arrives in pieces of any size."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._length = 0
        self._block = hashlib.sha256()
        self._block_bytes = 0
        # Slot n holds the root of 2**n finished blocks that wait for their right neighbour, or is empty.
        self._subtrees: list[bytes] = []

    def update(self, data: bytes) -> None:
        """Take the next bytes of the blob."""
        self._sha256.update(data)
        self._length += len(data)
        with memoryview(data) as view:
            start = 0
            while start < len(view):
                piece = view[start : start + BLOCK_BYTES - self._block_bytes]
                self._block.update(piece)
                self._block_bytes += len(piece)
                start += len(piece)
                if self._block_bytes == BLOCK_BYTES:
                    _push(self._subtrees, self._block.digest())
                    self._block = hashlib.sha256()
                    self._block_bytes = 0

    def finish(self) -> Digest:
        """Return the digest of everything taken so far.

        Raises EmptyBlobError if nothing was taken. Source: BEP 52, "pieces root".
        """
        if not self._length:
            raise EmptyBlobError
        subtrees = list(self._subtrees)
        if self._block_bytes:
            _push(subtrees, self._block.digest())
        return Digest(sha256=self._sha256.digest(), length=self._length, root=_fold(subtrees))


def digest_stream(stream: BinaryIO) -> Digest:
    """Digest everything that is left in a binary stream.

    Raises EmptyBlobError if the stream is empty.
    """
    digest = BlobDigest()
    while chunk := stream.read(READ_BYTES):
        digest.update(chunk)
    return digest.finish()


def _hash_pair(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(left + right).digest()


def _push(subtrees: list[bytes], leaf: bytes) -> None:
    """Add one leaf, joining finished subtrees of equal size, as a binary counter carries."""
    node = leaf
    for level, left in enumerate(subtrees):
        if not left:
            subtrees[level] = node
            return
        node = _hash_pair(left, node)
        subtrees[level] = b""
    subtrees.append(node)


def _fold(subtrees: list[bytes]) -> bytes:
    """Join what waits into one root; leaves missing up to the next power of two are 32 zero bytes."""
    *lower, top = subtrees
    node = b""
    padding = ZERO_LEAF
    for left in lower:
        if left and node:
            node = _hash_pair(left, node)
        elif left or node:
            node = _hash_pair(left or node, padding)
        padding = _hash_pair(padding, padding)
    return _hash_pair(top, node) if node else top
