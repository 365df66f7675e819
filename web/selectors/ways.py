"""One record's way into Bitcoin, hash by hash, as far as it has come."""

from dataclasses import dataclass
from datetime import UTC, datetime

from chain.follower import find_tip
from registry.models import Anchor, AnchorTransaction, Batch, Record
from registry.proof.hashes import sha256
from registry.proof.headers import Header, display_hash, parse_header
from registry.proof.merkle import path_sides
from registry.selectors.paths import get_path, split_hashes
from registry.selectors.records import find_anchor, find_sealed_batch
from registry.services.batches import CONSUMER


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step up a batch's tree: the neighbour, its side, and the node that both make."""

    is_left: bool
    neighbour: bytes
    node: bytes


@dataclass(frozen=True, slots=True)
class BlockView:
    """The block that holds an anchor. Hashes are hex in display order; `path_hashes` leads to `merkle_root`."""

    height: int
    hash: str
    time: datetime
    merkle_root: str
    tx_index: int
    path_hashes: tuple[str, ...]
    header_hex: str
    confirmations: int


@dataclass(frozen=True, slots=True)
class AnchorView:
    """The transaction that publishes a batch's commitment; `spends` is the output that it continues from."""

    state: str
    changed_at: datetime
    txid: str
    spends: str
    previous_seq: int | None
    version: int
    fee_sat: int
    block: BlockView | None


def list_path(record: Record) -> list[PathStep]:
    """Return a record's path to its batch's root, empty before it is sealed.

    The last step's node is the root; a batch of one leaf has no steps.
    """
    batch = find_sealed_batch(record)
    if batch is None or record.index is None:
        return []
    sides = path_sides(record.index - batch.first_index, batch.size)
    node = bytes(record.leaf)
    steps = []
    for neighbour, is_left in zip(get_path(record), sides, strict=True):
        node = sha256(neighbour + node if is_left else node + neighbour)
        steps.append(PathStep(is_left=is_left, neighbour=neighbour, node=node))
    return steps


def find_anchor_view(batch: Batch) -> AnchorView | None:
    """Return the anchor of a batch in the version that counts, or None if none has been signed.

    The batch's register and anchor must be loaded.
    """
    try:
        anchor: Anchor = batch.anchor
    except Anchor.DoesNotExist:
        return None
    current = anchor.current
    if current is None:
        return None
    spends, previous_seq = _find_predecessor(batch)
    return AnchorView(
        state=anchor.state,
        changed_at=anchor.changed_at,
        txid=current.txid,
        spends=spends,
        previous_seq=previous_seq,
        version=current.version,
        fee_sat=current.fee_sat,
        block=_view_block(anchor, current),
    )


def find_record_anchor(record: Record) -> AnchorView | None:
    """Return the anchor of a record's batch, or None if it has none yet."""
    if record.batch is None or find_anchor(record) is None:
        return None
    return find_anchor_view(record.batch)


def _find_predecessor(batch: Batch) -> tuple[str, int | None]:
    """Return the output that a batch's anchor spends, and the batch before it."""
    register = batch.register
    if batch.seq == 0:
        return f"{register.first_txid}:{register.first_vout}", None
    previous = Anchor.objects.select_related("current").get(batch__register=register, batch__seq=batch.seq - 1)
    return ("" if previous.current is None else f"{previous.current.txid}:0"), batch.seq - 1


def _view_block(anchor: Anchor, current: AnchorTransaction) -> BlockView | None:
    if anchor.height is None or current.block_header is None or current.block_index is None:
        return None
    header: Header = parse_header(bytes(current.block_header))
    tip = find_tip(CONSUMER)
    return BlockView(
        height=anchor.height,
        hash=anchor.block_hash,
        time=datetime.fromtimestamp(header.time, tz=UTC),
        merkle_root=display_hash(header.merkle_root),
        tx_index=current.block_index,
        path_hashes=tuple(display_hash(node) for node in split_hashes(bytes(current.block_path or b""))),
        header_hex=header.raw.hex(),
        confirmations=max(0, tip.height - anchor.height + 1) if tip else 0,
    )
