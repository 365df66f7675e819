"""The digest that names a blob: SHA-256, length and BitTorrent v2's pieces root, in one streaming pass.

The root is a SHA-256 Merkle tree over blocks of 16 KiB (BEP 52), so any part of a blob can be checked alone.
Memory grows with the logarithm of the length. Only hashlib is used: the client imports this module too.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, Self

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


class Hasher(Protocol):
    """What a digest needs of a SHA-256: hashlib's has it."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take the next bytes."""

    def digest(self) -> bytes:
        """Return the hash of everything taken so far."""

    def copy(self) -> Self:
        """Return a hash that goes on from the same state."""


class BlobDigest:
    """Digest a blob that arrives in pieces of any size; those of whole blocks are never copied."""

    def __init__(self) -> None:
        self._sha256: Hasher = hashlib.sha256()
        # How much both hashes have taken: whole blocks only.
        self._length = 0
        # What follows them, less than a block.
        self._rest = b""
        # Slot n holds the root of 2**n finished blocks that wait for their right neighbour, or is empty.
        self._subtrees: list[bytes] = []

    @property
    def length(self) -> int:
        """How many bytes were taken."""
        return self._length + len(self._rest)

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes of the blob."""
        with memoryview(data) as view:
            start = 0
            if self._rest:
                start = min(BLOCK_BYTES - len(self._rest), len(view))
                self._rest += bytes(view[:start])
                if len(self._rest) < BLOCK_BYTES:
                    return
                self._take_blocks(self._rest)
            end = len(view) - (len(view) - start) % BLOCK_BYTES
            self._take_blocks(data if end - start == len(view) else view[start:end])
            self._rest = bytes(view[end:])

    def finish(self) -> Digest:
        """Return the digest of everything taken so far.

        Raises EmptyBlobError if nothing was taken. Source: BEP 52, "pieces root".
        """
        if not self.length:
            raise EmptyBlobError
        subtrees, whole = list(self._subtrees), self._sha256.copy()
        if self._rest:
            _push(subtrees, hashlib.sha256(self._rest).digest())
            whole.update(self._rest)
        return Digest(sha256=whole.digest(), length=self.length, root=_fold(subtrees))

    def _take_blocks(self, blocks: bytes | memoryview) -> None:
        """Take whole blocks; in between, the state is small (`storage.digest_states` keeps it)."""
        self._sha256.update(blocks)
        self._length += len(blocks)
        with memoryview(blocks) as view:
            for start in range(0, len(view), BLOCK_BYTES):
                _push(self._subtrees, hashlib.sha256(view[start : start + BLOCK_BYTES]).digest())


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


def _fold(subtrees: Sequence[bytes]) -> bytes:
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
