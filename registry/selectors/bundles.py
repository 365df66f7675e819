"""Writes all proofs of a batch as one archive, from what is stored, in memory that does not grow with the batch."""

from collections.abc import Iterator
from enum import StrEnum

from registry.archives import iterate_archive
from registry.errors import BatchNotFoundError, ProofNotReadyError
from registry.models import Batch, Register
from registry.proof.documents import AnchoredBatch, OpenedDetails, ProofDocument, write_proof_document
from registry.proof.merkle import merkle_levels, path_from_levels
from registry.proof.packed import PIECE_RECORDS, hash_packed, unpack_record
from registry.proof.templates import write_piece_suffixes, write_piece_timestamps, write_timestamp_suffix
from registry.selectors.paths import split_hashes
from registry.selectors.pieces import PieceRow, iterate_pieces
from registry.selectors.proofs import get_anchored_batch
from registry.selectors.records import list_batch_records, list_batches
from registry.selectors.registers import get_register


class ProofForm(StrEnum):
    """Which forms of proof an archive has."""

    OTS = "ots"
    JSON = "json"
    BOTH = "both"


def get_sealed_batch(seq: int, *, register: Register | None = None) -> Batch:
    """Return a sealed batch of a register, with its anchor; without a register, of the active one.

    Raises RegisterMissingError or BatchNotFoundError if there is none.
    """
    batch = list_batches(register or get_register()).filter(seq=seq).first()
    if batch is None:
        raise BatchNotFoundError
    return batch


def get_batch_archive(*, seq: int, form: ProofForm, register: Register | None = None) -> Iterator[bytes]:
    """Return the bytes of a ZIP archive with the proofs of every record of a batch, named by the record's id.

    Without a register, the batch is the active one's. Raises RegisterMissingError or BatchNotFoundError if there is no
    such batch, ProofNotReadyError if its anchor is not in a block: all before the first byte.
    """
    batch = get_sealed_batch(seq, register=register)
    anchor = getattr(batch, "anchor", None)
    if anchor is None:
        raise ProofNotReadyError
    anchored = get_anchored_batch(batch, anchor)
    assert batch.sealed_at is not None
    return iterate_archive(_iterate_proofs(batch, anchored, form), made_at=batch.sealed_at)


def _iterate_proofs(batch: Batch, anchored: AnchoredBatch, form: ProofForm) -> Iterator[tuple[str, bytes]]:
    """Yield each proof's name and bytes, in the order of the leaves."""
    roots = split_hashes(bytes(batch.subtree_roots))
    upper = merkle_levels(roots)
    block = anchored.block
    end = write_timestamp_suffix(
        batch=anchored.batch,
        raw_tx=anchored.raw_tx,
        height=block.height,
        tx_index=block.tx_index,
        block_path=block.path,
    )
    pieces = zip(iterate_pieces(batch), write_piece_suffixes(piece_roots=roots, suffix=end), strict=True)
    for number, (rows, suffix) in enumerate(pieces):
        if form != ProofForm.JSON:
            timestamps = write_piece_timestamps(b"".join(row.packed for row in rows), suffix=suffix)
            for row, timestamp in zip(rows, timestamps, strict=True):
                yield f"{row.record_id}.ots", timestamp
        if form != ProofForm.OTS:
            yield from _iterate_documents(batch, anchored, number, rows, path_from_levels(upper, number))


def _iterate_documents(
    batch: Batch, anchored: AnchoredBatch, number: int, rows: list[PieceRow], above: tuple[bytes, ...]
) -> Iterator[tuple[str, bytes]]:
    """Yield the proof documents of a piece; `above` is the path from its root to the batch's."""
    first = batch.first_index + number * PIECE_RECORDS
    start = number * PIECE_RECORDS
    wanted = list_batch_records(batch, start=start, end=start + PIECE_RECORDS)
    levels = merkle_levels(hash_packed(b"".join(row.packed for row in rows)))
    opened = wanted.values_list("details", "details_salt")
    for place, (row, (details, salt)) in enumerate(zip(rows, opened, strict=True)):
        document = ProofDocument(
            record=unpack_record(row.packed),
            opened=OpenedDetails(details=details, salt=bytes(salt)),
            index=first + place,
            path=path_from_levels(levels, place) + above,
            anchored=anchored,
        )
        yield f"{row.record_id}.proof.json", write_proof_document(document)
