"""OpenTimestamps' detached timestamps (.ots): reading any of them, ours or another's.

The format and its limits are those of the stock library, python-opentimestamps 0.4;
docs/reference/format-proof.md lists the two places where this reader is stricter.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.proof.errors import MalformedTimestampError, ProofTooLargeError
from registry.proof.rare_hashes import BlockHash, Keccak256, Ripemd160
from registry.proof.readers import ByteReader

MAGIC = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94"
MAJOR_VERSION = 1

MESSAGE_BYTES_MAX = 4096
"""No operation takes or makes a longer message, so a verifier's memory is bounded."""

DEPTH_MAX = 255
"""Operations on one way from the file's digest to an attestation."""

PAYLOAD_BYTES_MAX = 8192
URI_BYTES_MAX = 1000
URI_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:")

HASHES = {0x02: ("sha1", 20), 0x03: ("ripemd160", 20), 0x08: ("sha256", 32), 0x67: ("keccak-256", 32)}
"""Operations that hash: the hash's name, and the digest's length."""

RARE_HASHES: Mapping[str, type[BlockHash]] = {"ripemd160": Ripemd160, "keccak-256": Keccak256}
RARE_BYTES_MAX = 256 * 1024
"""What the operations of one proof may give to the rare hashes, which are slow here: about half a second's work. Each
is counted as one block more than its message. A true proof gives them a few hundred bytes, if any."""

APPEND, PREPEND, REVERSE, HEXLIFY = 0xF0, 0xF1, 0xF2, 0xF3
SHA256 = 0x08
ATTESTATION, FORK = 0x00, 0xFF

BITCOIN = bytes.fromhex("0588960d73d71901")
PENDING = bytes.fromhex("83dfe30d2ef90c8e")
LITECOIN = bytes.fromhex("06869a0d73d71b45")
ETHEREUM = bytes.fromhex("30fe8087b5c7ead7")


@dataclass(frozen=True, slots=True)
class Attestation:
    """Evidence at the end of a way: the message it is about, and its tag and payload as they stand.

    `height` is the block's, for Bitcoin. Attestations of an unknown tag are kept.
    """

    message: bytes
    tag: bytes
    payload: bytes
    height: int | None


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A detached timestamp: the file's digest, by which hash, and every attestation that it leads to."""

    hash_name: str
    digest: bytes
    attestations: tuple[Attestation, ...]


def start_hash(name: str) -> Any:
    """Return a new hash of a name in HASHES, with the methods `update` and `digest` of hashlib's objects."""
    if name in RARE_HASHES:
        return RARE_HASHES[name]()
    return hashlib.new(name, usedforsecurity=False)


def read_timestamp(data: bytes) -> Timestamp:
    """Read a detached timestamp and compute every message in it.

    Raises MalformedTimestampError if the bytes do not follow the format or pass its limits.
    """
    reader = ByteReader(data, MalformedTimestampError)
    if reader.take(len(MAGIC)) != MAGIC:
        raise MalformedTimestampError("not an OpenTimestamps proof")
    version = reader.take_varuint()
    if version != MAJOR_VERSION:
        raise MalformedTimestampError(f"version {version}, not {MAJOR_VERSION}")
    tag = reader.take_little(1)
    if tag not in HASHES:
        raise MalformedTimestampError(f"no file is hashed by operation {tag:#04x}")
    hash_name, digest_bytes = HASHES[tag]
    digest = reader.take(digest_bytes)
    attestations = _read_tree(reader, digest)
    reader.finish()
    return Timestamp(hash_name=hash_name, digest=digest, attestations=tuple(attestations))


class _Hasher:
    """Computes the operations that hash, and counts what the rare ones take."""

    def __init__(self) -> None:
        self._rare_bytes_left = RARE_BYTES_MAX

    def hash_message(self, name: str, message: bytes) -> bytes:
        if name in RARE_HASHES:
            self._rare_bytes_left -= len(message) + RARE_HASHES[name].block_size
            if self._rare_bytes_left < 0:
                raise ProofTooLargeError(f"more than {RARE_BYTES_MAX} bytes to hash by {' and '.join(RARE_HASHES)}")
        state = start_hash(name)
        state.update(message)
        digest: bytes = state.digest()
        return digest


def _read_tree(reader: ByteReader, digest: bytes) -> list[Attestation]:
    """Read the tree of operations, depth first; the stack holds the nodes that are to be continued."""
    hasher = _Hasher()
    attestations = []
    pending = [(digest, 0)]
    while pending:
        message, depth = pending.pop()
        tag = reader.take_little(1)
        if tag == FORK:
            pending.append((message, depth))
            tag = reader.take_little(1)
        if tag == ATTESTATION:
            attestations.append(_read_attestation(reader, message))
        elif depth == DEPTH_MAX:
            raise MalformedTimestampError(f"more than {DEPTH_MAX} operations in a row")
        else:
            pending.append((_apply(reader, tag, message, hasher), depth + 1))
    return attestations


def _apply(reader: ByteReader, tag: int, message: bytes, hasher: _Hasher) -> bytes:
    """Read one operation and apply it."""
    if tag in (APPEND, PREPEND):
        argument = reader.take_varbytes(1, MESSAGE_BYTES_MAX)
        return _limit(message + argument if tag == APPEND else argument + message)
    if tag == REVERSE:
        return message[::-1]
    if tag == HEXLIFY:
        return _limit(message.hex().encode())
    if tag not in HASHES:
        raise MalformedTimestampError(f"unknown operation {tag:#04x}")
    return hasher.hash_message(HASHES[tag][0], message)


def _limit(message: bytes) -> bytes:
    if len(message) > MESSAGE_BYTES_MAX:
        raise MalformedTimestampError(f"a message of {len(message)} bytes, more than {MESSAGE_BYTES_MAX}")
    return message


def _read_attestation(reader: ByteReader, message: bytes) -> Attestation:
    tag = reader.take(8)
    payload = reader.take_varbytes(0, PAYLOAD_BYTES_MAX)
    fields = ByteReader(payload, MalformedTimestampError)
    height = None
    if tag in (BITCOIN, LITECOIN, ETHEREUM):
        number = fields.take_varuint()
        height = number if tag == BITCOIN else None
        fields.finish()
    elif tag == PENDING:
        if not URI_CHARACTERS.issuperset(fields.take_varbytes(0, URI_BYTES_MAX)):
            raise MalformedTimestampError("a calendar's address has characters that are not allowed")
        fields.finish()
    return Attestation(message=message, tag=tag, payload=payload, height=height)
