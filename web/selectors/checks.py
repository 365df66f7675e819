"""The hashes of a record's or a batch's way into Bitcoin, as far as it has come, for checking by hand."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.models import Batch, Record
from registry.proof import leaves
from registry.selectors.batches import get_batch_fields
from registry.selectors.records import Place
from web.checks import (
    CheckGroup,
    check_block_path,
    check_commitment,
    check_header,
    check_leaf,
    check_path,
    check_transaction,
)
from web.selectors.ways import AnchorView


@dataclass(frozen=True, slots=True)
class WayChecks:
    """The stages of a way; None where it has not come so far, or where a batch's page has no record."""

    leaf: CheckGroup | None = None
    path: CheckGroup | None = None
    commitment: CheckGroup | None = None
    transaction: CheckGroup | None = None
    block_path: CheckGroup | None = None
    header: CheckGroup | None = None


def list_checks(
    *,
    record: Record | None,
    place: Place | None,
    path: Sequence[bytes] | None,
    batch: Batch | None,
    anchor: AnchorView | None,
) -> WayChecks:
    """Return the checks of a record (with its place and its path, 32 bytes a neighbour), or of a batch alone."""
    block = anchor.block if anchor else None
    return WayChecks(
        leaf=None if record is None else _check_leaf(record),
        path=None if record is None or place is None or path is None else _check_path(record, place, path),
        commitment=None if batch is None else check_commitment(get_batch_fields(batch)),
        transaction=None if anchor is None else check_transaction(anchor.raw),
        block_path=None
        if anchor is None or block is None
        else check_block_path(txid=bytes.fromhex(anchor.txid)[::-1], tx_index=block.tx_index, path=block.path),
        header=None if block is None else check_header(block.header),
    )


def _check_leaf(record: Record) -> CheckGroup:
    return check_leaf(
        record=leaves.Record(
            kind=record.kind,
            sha256=bytes(record.sha256),
            length=record.length,
            root=bytes(record.root),
            seal=bytes(record.seal),
            details_hash=bytes(record.details_hash),
        ),
        details=record.details,
        salt=bytes(record.details_salt),
    )


def _check_path(record: Record, place: Place, path: Sequence[bytes]) -> CheckGroup:
    return check_path(
        leaf=bytes(record.leaf),
        position=place.index - place.batch.first_index,
        size=place.batch.size,
        path=path,
    )
