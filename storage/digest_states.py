"""Puts the digest of an unfinished blob away in a few hundred bytes, and takes it up again.

    state = version 1 u8 || length u64be || words 32 || roots 32 each || SHA-256 of all that 32

`length` is what the state has taken, in whole blocks: at most one block less than had arrived. `words` is the state of
SHA-256 there. There is one root for each bit that is set in the number of blocks, the smallest subtree first: the
subtrees that wait for their right neighbour. A state is a server's own and need not outlive an upload.
"""

import hashlib
from typing import BinaryIO, Self

from storage.digest import BLOCK_BYTES, BlobDigest
from storage.errors import DigestStateError
from storage.sha256 import WORDS_BYTES, ResumableSha256

STATE_VERSION = 1
_LENGTH_BYTES = 8
_HEAD_BYTES = 1 + _LENGTH_BYTES + WORDS_BYTES
_HASH_BYTES = 32
STATE_BYTES_MAX = _HEAD_BYTES + 8 * _LENGTH_BYTES * _HASH_BYTES + _HASH_BYTES
"""The most bytes that a state can have."""


class ResumableDigest(BlobDigest):
    """A digest that can be put away. Raises DigestStateError if OpenSSL's SHA-256 is not usable."""

    def __init__(self) -> None:
        super().__init__()
        self._resumable = ResumableSha256()
        self._sha256 = self._resumable

    def save_state(self) -> bytes:
        """Return the state after the last whole block."""
        state = b"".join([
            bytes([STATE_VERSION]),
            self._length.to_bytes(_LENGTH_BYTES, "big"),
            self._resumable.get_words(),
            *filter(None, self._subtrees),
        ])  # fmt: skip
        return state + hashlib.sha256(state).digest()

    @classmethod
    def resume(cls, state: bytes, *, stream: BinaryIO, length: int) -> Self:
        """Return the digest of the first `length` bytes of a blob, from a state and the bytes that it lacks.

        `stream` has all of these bytes; at most one block less one byte is read of them. Raises DigestStateError if the
        state is not whole, is not one of this length, or if the stream is too short.
        """
        digest = cls()
        digest._load(state)
        missing = length - digest.length
        if not 0 <= missing < BLOCK_BYTES:
            raise DigestStateError(f"The state of {digest.length} bytes is not one of {length}.")
        stream.seek(digest.length)
        digest.update(stream.read(missing))
        if digest.length != length:
            raise DigestStateError("The bytes after the state are not there.")
        return digest

    def _load(self, state: bytes) -> None:
        body, check = state[:-_HASH_BYTES], state[-_HASH_BYTES:]
        if hashlib.sha256(body).digest() != check or body[:1] != bytes([STATE_VERSION]) or len(body) < _HEAD_BYTES:
            raise DigestStateError
        length = int.from_bytes(body[1 : 1 + _LENGTH_BYTES], "big")
        blocks, roots = length // BLOCK_BYTES, body[_HEAD_BYTES:]
        if length % BLOCK_BYTES or len(roots) != _HASH_BYTES * blocks.bit_count():
            raise DigestStateError
        self._resumable.set_words(body[1 + _LENGTH_BYTES : _HEAD_BYTES], length=length)
        self._length, self._subtrees = length, []
        for level in range(blocks.bit_length()):
            is_waiting = bool(blocks >> level & 1)
            self._subtrees.append(roots[:_HASH_BYTES] if is_waiting else b"")
            roots = roots[_HASH_BYTES:] if is_waiting else roots
