"""Reads a batch's records in pieces, so that a batch of a million takes no more memory than one of a thousand."""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from registry.models import Batch
from registry.proof.packed import PIECE_RECORDS
from registry.selectors.records import list_batch_records

PIECES_AT_ONCE = 16
"""Pieces that one query reads."""


class PieceRow(NamedTuple):
    """A record's id, and its 137 packed bytes."""

    record_id: UUID
    packed: bytes


def iterate_pieces(batch: Batch) -> Iterator[list[PieceRow]]:
    """Yield a sealed batch's records in the order of their leaves, PIECE_RECORDS at a time.

    Each piece is a subtree of the batch's tree; the last one may have fewer records.
    """
    step = PIECES_AT_ONCE * PIECE_RECORDS
    fields = ("id", "kind", "sha256", "length", "root", "seal", "details_hash")
    for start in range(0, batch.size, step):
        wanted = list_batch_records(batch, start=start, end=start + step)
        rows = [
            PieceRow(record_id, b"".join((kind.to_bytes(1), sha256, length.to_bytes(8), root, seal, details_hash)))
            for record_id, kind, sha256, length, root, seal, details_hash in wanted.values_list(*fields)
        ]
        for at in range(0, len(rows), PIECE_RECORDS):
            yield rows[at : at + PIECE_RECORDS]
