"""Packed records, 137 bytes each, and the root of a batch that is too large to hold: docs/reference/format-export.md.

A packed record is what its leaf's preimage has after the tag, so hashing it needs no parsing. A batch is read in
pieces of 1,024 records, and each piece is a whole subtree of the batch's tree.
"""

import hashlib

from registry.proof.errors import BatchPathError, InvalidRecordError
from registry.proof.hashes import sha256
from registry.proof.leaves import LEAF_TAG, Record

RECORD_BYTES = 1 + 32 + 8 + 32 + 32 + 32
"""kind u8 || sha256 || length u64 || root || seal || details_hash."""

PIECE_RECORDS = 1024
"""Records of one piece: a power of two, so that its root is a node of the batch's tree."""

PIECE_BYTES = PIECE_RECORDS * RECORD_BYTES
_LENGTH, _BARE = slice(33, 41), slice(33, 105)
_ZERO_LENGTH, _ZERO_BARE = bytes(8), bytes(8 + 32 + 32)


def pack_record(record: Record) -> bytes:
    """Return a record's 137 bytes."""
    hashes = record.root + record.seal + record.details_hash
    return record.kind.to_bytes(1) + record.sha256 + record.length.to_bytes(8) + hashes


def unpack_record(packed: bytes) -> Record:
    """Return the record of 137 bytes. Raises InvalidRecordError if it breaks the rule of its kind."""
    if len(packed) != RECORD_BYTES:
        raise InvalidRecordError(f"a packed record has {RECORD_BYTES} bytes, not {len(packed)}")
    return Record(
        kind=packed[0],
        sha256=packed[1:33],
        length=int.from_bytes(packed[_LENGTH]),
        root=packed[41:73],
        seal=packed[73:105],
        details_hash=packed[105:],
    )


def hash_packed(packed: bytes) -> list[bytes]:
    """Return the leaves of packed records, each checked against the rule of its kind.

    Raises InvalidRecordError if one breaks it, or the bytes are not whole records.
    """
    if len(packed) % RECORD_BYTES:
        raise InvalidRecordError(f"{len(packed)} bytes are not whole records of {RECORD_BYTES}")
    records = [packed[start : start + RECORD_BYTES] for start in range(0, len(packed), RECORD_BYTES)]
    for record in records:
        # The two rules of leaves.Record, in the form that packed bytes need.
        if record[_LENGTH] == _ZERO_LENGTH if record[0] else record[_BARE] != _ZERO_BARE:
            unpack_record(record)
    new_hash = hashlib.sha256
    return [new_hash(LEAF_TAG + record).digest() for record in records]


class RootBuilder:
    """The root over the roots of a batch's pieces, which are added in order; holds one node for each level."""

    def __init__(self) -> None:
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, piece_root: bytes) -> None:
        """Add the root of the next piece. Only the last piece may have fewer than PIECE_RECORDS records."""
        height, root = 0, piece_root
        while self._peaks and self._peaks[-1][0] == height:
            root = sha256(self._peaks.pop()[1] + root)
            height += 1
        self._peaks.append((height, root))

    def get_root(self) -> bytes:
        """Return the root of all pieces so far. Raises BatchPathError if there is none."""
        if not self._peaks:
            raise BatchPathError("a batch has at least one leaf")
        root = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            root = sha256(left + root)
        return root
