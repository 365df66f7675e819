"""Writes proofs from what is stored: the node is never asked."""

from collections.abc import Iterator
from uuid import UUID

from registry.errors import ProofNotReadyError
from registry.models import Anchor, AnchorTransaction, Batch, Record, Register
from registry.proof import anchors as anchors_file
from registry.proof import leaves
from registry.proof.documents import (
    AnchoredBatch,
    BlockPlace,
    OpenedDetails,
    ProofDocument,
    anchor_batch,
    write_proof_document,
)
from registry.proof.templates import write_timestamp, write_timestamp_suffix
from registry.selectors.batches import get_batch_fields, get_register_fields
from registry.selectors.paths import get_path, split_hashes
from registry.selectors.records import Place, find_batch_anchor, find_place, get_record
from registry.selectors.registers import get_register


def get_registry(register: Register) -> anchors_file.Registry:
    """Return a register's identity as the verifier has it."""
    genesis_hash, outpoint = get_register_fields(register)
    return anchors_file.Registry(genesis_block_hash=genesis_hash, first_outpoint=outpoint)


def get_proof_document(record_id: UUID) -> bytes:
    """Return a record's .proof.json.

    Raises RecordNotFoundError if there is no such record, ProofNotReadyError if its anchor is not in a block.
    """
    record = get_record(record_id)
    anchored = _get_anchored(record)
    return write_proof_document(
        ProofDocument(
            record=_get_leaf_fields(record),
            opened=OpenedDetails(details=record.details, salt=bytes(record.details_salt)),
            index=_get_place(record).index,
            path=get_path(record),
            anchored=anchored,
        )
    )


def get_timestamp(record_id: UUID) -> bytes:
    """Return a record's .ots, which the stock OpenTimestamps client verifies.

    Raises RecordNotFoundError if there is no such record, ProofNotReadyError if its anchor is not in a block.
    """
    record = get_record(record_id)
    anchored = _get_anchored(record)
    return write_timestamp(
        record=_get_leaf_fields(record),
        position=_get_place(record).index - anchored.batch.first_index,
        size=anchored.batch.size,
        path=get_path(record),
        suffix=write_timestamp_suffix(
            batch=anchored.batch,
            raw_tx=anchored.raw_tx,
            height=anchored.block.height,
            tx_index=anchored.block.tx_index,
            block_path=anchored.block.path,
        ),
    )


def iterate_anchors_file(register: Register | None = None) -> Iterator[bytes]:
    """Yield the lines of an anchors file: a register's identity, then every mined anchor in order.

    Without a register, it is the active one's. Raises RegisterMissingError if there is none.
    """
    register = register or get_register()
    yield anchors_file.write_registry_line(get_registry(register))
    mined = Anchor.objects.filter(batch__register=register, height__isnull=False)
    for anchor in mined.select_related("batch", "current").order_by("batch__seq").iterator():
        yield anchors_file.write_anchor_line(get_anchored_batch(anchor.batch, anchor))


def _get_place(record: Record) -> Place:
    place = find_place(record)
    if place is None:
        raise ProofNotReadyError
    return place


def _get_anchored(record: Record) -> AnchoredBatch:
    batch = _get_place(record).batch
    anchor = find_batch_anchor(batch)
    if anchor is None or anchor.height is None:
        raise ProofNotReadyError
    return get_anchored_batch(batch, anchor)


def get_anchored_batch(batch: Batch, anchor: Anchor) -> AnchoredBatch:
    """Put a batch, its anchor's mined version and its place in the block together.

    Raises ProofNotReadyError if the anchor is not in a block.
    """
    current: AnchorTransaction | None = anchor.current
    if current is None or anchor.height is None or current.block_header is None or current.block_index is None:
        raise ProofNotReadyError
    return anchor_batch(
        batch=get_batch_fields(batch),
        raw_tx=bytes(current.raw),
        block=BlockPlace(
            height=anchor.height,
            header=bytes(current.block_header),
            tx_index=current.block_index,
            path=tuple(split_hashes(bytes(current.block_path or b""))),
        ),
    )


def _get_leaf_fields(record: Record) -> leaves.Record:
    return leaves.Record(
        kind=record.kind,
        sha256=bytes(record.sha256),
        length=record.length,
        root=bytes(record.root),
        seal=bytes(record.seal),
        details_hash=bytes(record.details_hash),
    )
