"""Writes proofs from what is stored: the node is never asked."""

from collections.abc import Iterator
from uuid import UUID

from django.conf import settings

from registry.errors import ProofNotReadyError, RegisterMissingError
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
from registry.selectors.records import find_anchor, get_record


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
            index=_get_index(record),
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
        position=_get_index(record) - anchored.batch.first_index,
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


def iterate_anchors_file() -> Iterator[bytes]:
    """Yield the lines of the anchors file: the register's identity, then every mined anchor in order.

    Raises RegisterMissingError if there is no register.
    """
    register = Register.objects.filter(network=settings.CADASTRE_NETWORK).first()
    if register is None:
        raise RegisterMissingError
    genesis_hash, outpoint = get_register_fields(register)
    yield anchors_file.write_registry_line(
        anchors_file.Registry(genesis_block_hash=genesis_hash, first_outpoint=outpoint)
    )
    mined = Anchor.objects.filter(batch__register=register, height__isnull=False)
    for anchor in mined.select_related("batch", "current").order_by("batch__seq").iterator():
        yield anchors_file.write_anchor_line(_anchor(anchor.batch, anchor))


def _get_anchored(record: Record) -> AnchoredBatch:
    anchor = find_anchor(record)
    if record.batch is None or anchor is None or anchor.height is None:
        raise ProofNotReadyError
    return _anchor(record.batch, anchor)


def _anchor(batch: Batch, anchor: Anchor) -> AnchoredBatch:
    """Put a batch, its anchor's mined version and its place in the block together."""
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


def _get_index(record: Record) -> int:
    if record.index is None:
        raise ProofNotReadyError
    return record.index
