"""One record's way into Bitcoin, hash by hash, as far as it has come."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chain.follower import find_tip
from registry.models import Anchor, AnchorTransaction, Batch, Record
from registry.proof.headers import Header, display_hash, parse_header
from registry.proof.transactions import parse_transaction
from registry.selectors.paths import HASH_BYTES, get_path, split_hashes
from registry.selectors.records import find_place
from registry.selectors.registers import get_consumer


@dataclass(frozen=True, slots=True)
class BlockView:
    """The block that holds an anchor. Text hashes are hex in display order; `path` (32 bytes each) is as hashed."""

    height: int
    hash: str
    previous_hash: str
    time: datetime
    merkle_root: str
    tx_index: int
    path: tuple[bytes, ...]
    header: bytes
    confirmations: int


@dataclass(frozen=True, slots=True)
class AnchorView:
    """The transaction that publishes a batch's commitment; `spends` is the output that it continues from."""

    state: str
    changed_at: datetime
    txid: str
    raw: bytes
    spends: str
    previous_seq: int | None
    version: int
    fee_sat: int
    continuation_sat: int
    block: BlockView | None


def find_path(record: Record) -> tuple[bytes, ...] | None:
    """Return a sealed record's path to its batch's root, 32 bytes a neighbour, or None before it is sealed."""
    return None if find_place(record) is None else get_path(record)


def find_anchor_view(batch: Batch) -> AnchorView | None:
    """Return the anchor (loaded) of a batch in the version that counts, or None if none has been signed."""
    try:
        anchor: Anchor = batch.anchor
    except Anchor.DoesNotExist:
        return None
    current = anchor.current
    if current is None:
        return None
    outpoint = parse_transaction(bytes(current.raw)).outpoints[0]
    return AnchorView(
        state=anchor.state,
        changed_at=anchor.changed_at,
        txid=current.txid,
        raw=bytes(current.raw),
        spends=f"{display_hash(outpoint[:HASH_BYTES])}:{int.from_bytes(outpoint[HASH_BYTES:], 'little')}",
        previous_seq=batch.seq - 1 if batch.seq else None,
        version=current.version,
        fee_sat=current.fee_sat,
        continuation_sat=current.continuation_sat,
        block=_view_block(anchor, current),
    )


def find_record_anchor(record: Record) -> AnchorView | None:
    """Return the anchor of a record's batch, or None if it has none yet."""
    place = find_place(record)
    return None if place is None else find_anchor_view(place.batch)


def _view_block(anchor: Anchor, current: AnchorTransaction) -> BlockView | None:
    if anchor.height is None or current.block_header is None or current.block_index is None:
        return None
    header: Header = parse_header(bytes(current.block_header))
    tip = find_tip(get_consumer())
    return BlockView(
        height=anchor.height,
        hash=anchor.block_hash,
        previous_hash=display_hash(header.previous_hash),
        time=datetime.fromtimestamp(header.time, tz=UTC),
        merkle_root=display_hash(header.merkle_root),
        tx_index=current.block_index,
        path=tuple(split_hashes(bytes(current.block_path or b""))),
        header=header.raw,
        confirmations=max(0, tip.height - anchor.height + 1) if tip else 0,
    )
