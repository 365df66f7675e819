"""Records and the leaf that commits to each: docs/reference/format-leaf.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from registry.proof.errors import InvalidRecordError
from registry.proof.hashes import HASH_BYTES, sha256
from registry.proof.jcs import canonicalise

LEAF_TAG = b"cadastre/leaf/v1\0"
SEAL_TAG = b"cadastre/seal/v1\0"
ZERO_HASH = bytes(HASH_BYTES)


class Kind(IntEnum):
    """What a record is about. Numbers that are not listed are valid: they verify as existence."""

    BARE_DIGEST = 0
    UPLOAD = 1
    RIGHTS_EVENT = 2
    LEDGER_HEAD = 3
    SETTLEMENT = 4
    STATEMENT = 5
    NOTICE = 6
    SUCCESSION = 7


@dataclass(frozen=True, slots=True)
class Record:
    """The fields that a leaf commits to: `kind` is a byte, `length` is in bytes, all others are 32 bytes.

    Raises InvalidRecordError if a field is out of range or breaks the rule of its kind: a bare digest has
    neither length nor root nor seal, and every other record is about at least one byte.
    """

    kind: int
    sha256: bytes
    length: int
    root: bytes
    seal: bytes
    details_hash: bytes

    def __post_init__(self) -> None:
        if not (0 <= self.kind < 1 << 8 and 0 <= self.length < 1 << 64):
            raise InvalidRecordError("kind is one byte and length eight")
        if any(len(part) != HASH_BYTES for part in (self.sha256, self.root, self.seal, self.details_hash)):
            raise InvalidRecordError("every hash of a record is 32 bytes")
        if self.kind == Kind.BARE_DIGEST:
            if self.length or self.root != ZERO_HASH or self.seal != ZERO_HASH:
                raise InvalidRecordError("a bare digest has no length, no root and no seal")
        elif not self.length:
            raise InvalidRecordError("only a bare digest has no length")


def leaf_preimage(record: Record) -> tuple[bytes, bytes]:
    """Return what stands before and after the record's SHA-256 in the leaf's preimage."""
    head = LEAF_TAG + record.kind.to_bytes(1)
    tail = record.length.to_bytes(8) + record.root + record.seal + record.details_hash
    return head, tail


def leaf_hash(record: Record) -> bytes:
    """Return a record's leaf, 32 bytes."""
    head, tail = leaf_preimage(record)
    return sha256(head + record.sha256 + tail)


def seal_hash(*, seal_key: bytes, manifest_sha256: bytes) -> bytes:
    """Return the seal, 32 bytes, from HKDF-SHA256(secret, info "cadastre/seal") and the manifest's SHA-256.

    Raises InvalidRecordError if either is not 32 bytes.
    """
    if len(seal_key) != HASH_BYTES or len(manifest_sha256) != HASH_BYTES:
        raise InvalidRecordError("both parts of a seal are 32 bytes")
    return sha256(SEAL_TAG + seal_key + manifest_sha256)


def details_hash(*, salt: bytes, details: Mapping[str, object]) -> bytes:
    """Return the hash that commits to a record's details, 32 bytes, from a random salt of 32 bytes.

    Raises InvalidRecordError if the salt has another length, NotCanonicalError if the details are not
    canonical JSON.
    """
    if len(salt) != HASH_BYTES:
        raise InvalidRecordError("the salt of details is 32 bytes")
    return sha256(salt + canonicalise(dict(details)))
