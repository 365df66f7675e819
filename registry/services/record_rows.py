"""Writes the rows of many bare digests by the quickest way that each engine has."""

import struct
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection

from database.transactions import require_transaction
from registry.models import Record
from registry.proof.hashes import HASH_BYTES
from registry.proof.jcs import canonicalise
from registry.proof.leaves import ZERO_HASH
from registry.rules.bare_digests import BareLeaves

# What differs between the rows comes first in each group, so that the constants between make few pieces.
COLUMNS = (
    *("id", "sha256", "details_salt", "details_hash", "leaf"),
    *("kind", "length", "root", "seal", "details", "uploader_id", "registered_at"),
)
NAMES = ", ".join(COLUMNS)
PIECE_ROWS = 4_096

# The binary format of PostgreSQL's COPY: signature, flags and length of an extension, the rows, and -1 for the end.
COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
POSTGRESQL_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
JSONB_VERSION = b"\x01"


def write_bare_records(
    leaves: BareLeaves, *, first_id: UUID, details: Mapping[str, object], user_id: UUID, now: datetime
) -> None:
    """Write a record of kind 0 for each leaf, under consecutive keys from `first_id`: a step."""
    require_transaction()
    if connection.vendor == "postgresql":
        _copy(leaves, first_id=first_id, details=details, user_id=user_id, now=now)
    else:
        _insert(leaves, first_id=first_id, details=details, user_id=user_id, now=now)


def iterate_fields(leaves: BareLeaves, first_id: UUID) -> Iterator[tuple[int, bytes, bytes, bytes, bytes]]:
    """Yield each record's key as an integer, its digest, salt, hash of the details, and leaf."""
    key = first_id.int
    for at in range(0, len(leaves.digests), HASH_BYTES):
        end = at + HASH_BYTES
        yield key, leaves.digests[at:end], leaves.salts[at:end], leaves.details_hashes[at:end], leaves.leaves[at:end]
        key += 1


def _copy(leaves: BareLeaves, *, first_id: UUID, details: Mapping[str, object], user_id: UUID, now: datetime) -> None:
    statement = f"COPY registry_record ({NAMES}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_HEAD)
        for piece in iterate_copy_pieces(leaves, first_id=first_id, details=details, user_id=user_id, now=now):
            copy.write(piece)
        copy.write(COPY_END)


def iterate_copy_pieces(
    leaves: BareLeaves, *, first_id: UUID, details: Mapping[str, object], user_id: UUID, now: datetime
) -> Iterator[bytes]:
    """Yield the rows as COPY's binary format has them, PIECE_ROWS in a piece."""
    start = struct.pack(">hi", len(COLUMNS), len(first_id.bytes))
    before_hash = struct.pack(">i", HASH_BYTES)
    microseconds = (now - POSTGRESQL_EPOCH) // timedelta(microseconds=1)
    shared = (
        struct.pack(">h", Record.Kind.BARE_DIGEST),
        struct.pack(">q", 0),
        ZERO_HASH,
        ZERO_HASH,
        JSONB_VERSION + canonicalise(dict(details)),
        user_id.bytes,
        struct.pack(">q", microseconds),
    )
    end = b"".join(struct.pack(">i", len(field)) + field for field in shared)
    rows = []
    for key, digest, salt, details_hash, leaf in iterate_fields(leaves, first_id):
        hashes = (digest, salt, details_hash, leaf)
        rows.append(start + key.to_bytes(16) + before_hash + before_hash.join(hashes) + end)
        if len(rows) == PIECE_ROWS:
            yield b"".join(rows)
            rows.clear()
    yield b"".join(rows)


def _insert(leaves: BareLeaves, *, first_id: UUID, details: Mapping[str, object], user_id: UUID, now: datetime) -> None:
    # Each value as the model's own fields write it on this engine.
    values: dict[str, Any] = {"details": dict(details), "uploader_id": user_id, "registered_at": now}
    values |= {"kind": Record.Kind.BARE_DIGEST, "length": 0, "root": ZERO_HASH, "seal": ZERO_HASH}
    fields = {field.attname: field for field in Record._meta.concrete_fields}  # noqa: SLF001  Django documents it
    shared = [fields[name].get_db_prep_save(values[name], connection) for name in COLUMNS if name in values]
    places = ", ".join(["%s"] * len(COLUMNS))
    statement = f"INSERT INTO registry_record ({NAMES}) VALUES ({places})"  # noqa: S608  only names are formatted
    rows = (
        (f"{key:032x}", digest, salt, details_hash, leaf, *shared)
        for key, digest, salt, details_hash, leaf in iterate_fields(leaves, first_id)
    )
    with connection.cursor() as cursor:
        while piece := list(islice(rows, PIECE_ROWS)):
            cursor.executemany(statement, piece)
