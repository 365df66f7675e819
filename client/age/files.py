"""Whole age files: begin one, write one, open one.

An `Encryption` holds everything that fixes a ciphertext besides its plaintext. An interrupted upload stores
it and continues the *same* ciphertext, which no age library offers; that is why this package exists.
"""

import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from client.age.header import Header, check_mac, read_header, write_header
from client.age.payload import NONCE_BYTES, ChunkCipher, decrypt_chunks, encrypt_chunks
from client.age.recipients import unwrap_by_password, unwrap_by_x25519, wrap_by_password, wrap_for_x25519
from client.errors import AgeHeaderError, AgeTruncatedError

FILE_KEY_BYTES = 16


@dataclass(frozen=True)
class Encryption:
    """A ciphertext that is being made: header, file key (16 bytes) and payload nonce (16 bytes)."""

    header: bytes
    file_key: bytes = field(repr=False)
    nonce: bytes

    @property
    def prefix(self) -> bytes:
        """The bytes before the first chunk."""
        return self.header + self.nonce

    def get_cipher(self) -> ChunkCipher:
        """Return the cipher of its chunks."""
        return ChunkCipher(file_key=self.file_key, nonce=self.nonce)


def begin_for_x25519(
    recipient: bytes,
    *,
    file_key: bytes | None = None,
    nonce: bytes | None = None,
    ephemeral_secret: bytes | None = None,
) -> Encryption:
    """Begin a file for a 32-byte recipient; whatever is not given is drawn at random.

    Giving values is for test vectors: a key or nonce that is used for two different plaintexts betrays both.
    """
    file_key = file_key or secrets.token_bytes(FILE_KEY_BYTES)
    stanza = wrap_for_x25519(
        file_key=file_key, recipient=recipient, ephemeral_secret=ephemeral_secret or secrets.token_bytes(32)
    )
    return Encryption(write_header((stanza,), file_key), file_key, nonce or secrets.token_bytes(NONCE_BYTES))


def begin_by_password(
    password: str,
    *,
    work_factor_log2: int,
    file_key: bytes | None = None,
    nonce: bytes | None = None,
    salt: bytes | None = None,
) -> Encryption:
    """Begin a file for whoever knows the password, at a cost of 2^work_factor_log2 rounds of scrypt."""
    file_key = file_key or secrets.token_bytes(FILE_KEY_BYTES)
    stanza = wrap_by_password(
        file_key=file_key,
        password=password,
        salt=salt or secrets.token_bytes(16),
        work_factor_log2=work_factor_log2,
    )
    return Encryption(write_header((stanza,), file_key), file_key, nonce or secrets.token_bytes(NONCE_BYTES))


def encrypt_bytes(encryption: Encryption, plaintext: bytes) -> bytes:
    """Return the whole age file of a plaintext that fits into memory."""
    return encryption.prefix + b"".join(encrypt_chunks(encryption.get_cipher(), io.BytesIO(plaintext)))


def open_by_x25519(stream: BinaryIO, secret: bytes) -> ChunkCipher:
    """Read header and nonce of a file by a 32-byte secret, and leave the stream at the first chunk.

    Raises AgeHeaderError, AgeKeyError, AgeMacError or AgeTruncatedError.
    """
    header = read_header(stream)
    return _open_payload(stream, header, unwrap_by_x25519(header, secret))


def open_by_password(stream: BinaryIO, password: str) -> ChunkCipher:
    """Read header and nonce of a file by a password, and leave the stream at the first chunk.

    Raises AgeHeaderError, AgeKeyError, AgeMacError or AgeTruncatedError.
    """
    header = read_header(stream)
    return _open_payload(stream, header, unwrap_by_password(header, password))


def decrypt_by_x25519(stream: BinaryIO, secret: bytes) -> Iterator[bytes]:
    """Yield the plaintext of a whole file; it is complete only once the iterator is exhausted."""
    yield from decrypt_chunks(open_by_x25519(stream, secret), stream)


def _open_payload(stream: BinaryIO, header: Header, file_key: bytes) -> ChunkCipher:
    if len(file_key) != FILE_KEY_BYTES:
        raise AgeHeaderError("The file key of the age file has a wrong length.")
    check_mac(header, file_key)
    nonce = stream.read(NONCE_BYTES)
    if len(nonce) < NONCE_BYTES:
        raise AgeTruncatedError
    return ChunkCipher(file_key=file_key, nonce=nonce)
