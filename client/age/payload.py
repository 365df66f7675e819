"""The binary payload of an age file: chunks of 64 KiB under ChaCha20-Poly1305, the STREAM construction.

Source: C2SP/age, "Payload". A chunk's nonce is its number and a flag for the final chunk, so cut, swapped or
repeated chunks do not authenticate.
"""

from collections.abc import Iterator
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from client.errors import AgePayloadError, AgeTrailingDataError, AgeTruncatedError

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
NONCE_BYTES = 16


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none only at the end."""


class ChunkCipher:
    """Encrypts and decrypts single chunks under one file key (16 bytes) and nonce (16 bytes)."""

    def __init__(self, *, file_key: bytes, nonce: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=nonce, info=b"payload").derive(file_key)
        self._cipher = ChaCha20Poly1305(key)

    def encrypt(self, number: int, chunk: bytes, *, is_final: bool) -> bytes:
        """Return the chunk with its tag."""
        return self._cipher.encrypt(_get_chunk_nonce(number, is_final=is_final), chunk, None)

    def decrypt(self, number: int, sealed: bytes, *, is_final: bool) -> bytes:
        """Return the chunk's plaintext.

        Raises AgeTruncatedError if it is a good chunk but not the final one that it has to be,
        AgeTrailingDataError if it is the final one and has no right to be, AgePayloadError if it does not
        authenticate at all.
        """
        chunk = self._open(number, sealed, is_final=is_final)
        if chunk is None:
            if self._open(number, sealed, is_final=not is_final) is None:
                raise AgePayloadError(f"Chunk {number} of the age file does not authenticate.")
            raise AgeTruncatedError if is_final else AgeTrailingDataError
        if not chunk and number:
            raise AgePayloadError("The final chunk of the age file is empty.")
        return chunk

    def _open(self, number: int, sealed: bytes, *, is_final: bool) -> bytes | None:
        try:
            return self._cipher.decrypt(_get_chunk_nonce(number, is_final=is_final), sealed, None)
        except InvalidTag:
            return None


def get_sealed_length(plaintext_bytes: int) -> int:
    """Return the length of the chunks of a plaintext, without header and nonce."""
    return plaintext_bytes + TAG_BYTES * count_chunks(plaintext_bytes)


def count_chunks(plaintext_bytes: int) -> int:
    """Return the number of chunks of a plaintext: an empty one has one empty chunk."""
    return max(1, -(-plaintext_bytes // CHUNK_BYTES))


def encrypt_chunks(cipher: ChunkCipher, stream: Readable) -> Iterator[bytes]:
    """Yield the sealed chunks of everything that a stream holds."""
    number = 0
    chunk = _read_full(stream, CHUNK_BYTES)
    while True:
        following = _read_full(stream, CHUNK_BYTES)
        yield cipher.encrypt(number, chunk, is_final=not following)
        if not following:
            return
        number, chunk = number + 1, following


def decrypt_chunks(cipher: ChunkCipher, stream: Readable) -> Iterator[bytes]:
    """Yield the plaintext of each chunk; the end is authentic only once the iterator is exhausted.

    Raises AgePayloadError, AgeTruncatedError or AgeTrailingDataError.
    """
    number = 0
    sealed = _read_full(stream, SEALED_CHUNK_BYTES)
    while True:
        if len(sealed) < TAG_BYTES:
            raise AgeTruncatedError
        following = _read_full(stream, SEALED_CHUNK_BYTES) if len(sealed) == SEALED_CHUNK_BYTES else b""
        yield cipher.decrypt(number, sealed, is_final=not following)
        if not following:
            return
        number, sealed = number + 1, following


def _get_chunk_nonce(number: int, *, is_final: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if is_final else b"\x00")


def _read_full(stream: Readable, size: int) -> bytes:
    """Read until the size is reached or the stream ends: raw streams may answer with less."""
    parts = []
    while size and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
