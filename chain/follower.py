"""Blocks, one event at a time, for consumers that keep their cursor together with the effects.

`follow` asks `next_event` (network, no transaction) and then, in one transaction, calls `advance` and lets the consumer
apply the event's effects. So each block's effects are applied exactly once, and undone exactly once if the chain leaves
it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.errors import NetworkError, NodeBehindError, NodeRejectedError, StaleEventError
from chain.models import FollowedBlock
from chain.networks import get_network
from chain.node import NodeClient
from chain.transactions import Block, parse_block
from database.transactions import require_transaction

_RPC_INVALID_PARAMETER = -8
EVENTS_MAX = 2_000
"""Events of one call to follow, so that a worker that catches up is not busy for hours."""


@dataclass(frozen=True)
class BlockEvent:
    """A block joined the best chain, or left it; only a joining block's contents are given."""

    kind: Literal["connected", "disconnected"]
    height: int
    hash: str
    block: Block | None


def follow(*, node: NodeClient, consumer: str, apply: Callable[[BlockEvent], None], limit: int = EVENTS_MAX) -> int:
    """Apply what happened to the chain since the last call: each event and its cursor in one transaction.

    Returns how many events were applied, at most `limit`; another worker that is ahead ends the call.
    Raises what next_event raises.
    """
    for applied in range(limit):
        event = next_event(node=node, consumer=consumer, start_height=settings.CADASTRE_CHAIN_START_HEIGHT)
        if event is None:
            return applied
        try:
            with transaction.atomic(durable=True):
                advance(consumer=consumer, event=event)
                apply(event)
        except StaleEventError:
            return applied
    return limit


def next_event(*, node: NodeClient, consumer: str, start_height: int) -> BlockEvent | None:
    """Return what happened to the chain after the consumer's cursor, or None if nothing did.

    A consumer without a cursor begins with the block at `start_height`.
    Raises NetworkError if the node runs another network than the settings name, NodeBehindError if it is
    catching up with the blocks that were followed, NodeUnavailableError if it does not answer.
    """
    _check_network(node)
    tip = find_tip(consumer)
    if tip is None:
        return _connect(node, start_height, previous_hash=None)
    header = node.find_block_header(tip.hash)
    if header is not None and header.confirmations > 0:
        return _connect(node, tip.height + 1, previous_hash=tip.hash)
    _refuse_if_behind(node, tip, is_known=header is not None)
    return BlockEvent("disconnected", tip.height, tip.hash, None)


def advance(*, consumer: str, event: BlockEvent) -> None:
    """Move the consumer's cursor over an event: a step of the transaction that applies its effects.

    Raises StaleEventError if the cursor is not where the event begins: another worker was faster.
    """
    require_transaction()
    if event.block is None:
        _retreat(consumer, event)
        return
    tip = find_tip(consumer)
    if tip is not None and (tip.hash, tip.height + 1) != (event.block.previous_hash, event.height):
        raise StaleEventError(f"{consumer} is at {tip.height}, not below {event.hash} at {event.height}")
    try:
        FollowedBlock.objects.create(
            consumer=consumer, height=event.height, hash=event.hash, previous_hash=event.block.previous_hash
        )
    except IntegrityError as error:
        raise StaleEventError(f"{consumer} has followed a block at {event.height} already") from error


def find_tip(consumer: str) -> FollowedBlock | None:
    """Return the consumer's cursor, or None before its first block."""
    return FollowedBlock.objects.filter(consumer=consumer).order_by("-height").first()


def _check_network(node: NodeClient) -> None:
    """Refuse to mix the events of two networks."""
    network = get_network(settings.CADASTRE_NETWORK)
    found = node.get_block_hash(0)
    if found != network.genesis_hash:
        raise NetworkError(f"the settings name {network.name}, but the node's genesis block is {found}")


def _connect(node: NodeClient, height: int, *, previous_hash: str | None) -> BlockEvent | None:
    """Return the best chain's block at a height as an event, or None if there is none yet that follows."""
    found = _find_block_hash(node, height)
    if found is None:
        return None
    block = parse_block(node.get_block(found), height=height)
    if previous_hash is not None and block.previous_hash != previous_hash:
        # The chain was reorganised between two calls; the next look sees it whole.
        return None
    return BlockEvent("connected", height, found, block)


def _refuse_if_behind(node: NodeClient, tip: FollowedBlock, *, is_known: bool) -> None:
    """Raise NodeBehindError unless the node's chain has left the cursor's block, which is off that chain.

    While a node starts, downloads or reindexes, it may know headers far above the last block of its chain, so
    that a block off its chain may be one that it has yet to reach. Only another block at a followed height is
    a reorganisation, and below the cursor only where the node knows of nothing more to catch up with.
    """
    info = node.get_blockchain_info()
    if info.blocks >= tip.height:
        # The node may have reached the cursor's block since it was asked for it.
        is_behind = _find_block_hash(node, tip.height) in {None, tip.hash}
    elif not is_known or info.is_initial_block_download or info.headers >= tip.height:
        is_behind = True
    else:
        row = FollowedBlock.objects.filter(consumer=tip.consumer, height=info.blocks).first()
        is_behind = row is None or row.hash == info.best_block_hash
    if is_behind:
        raise NodeBehindError(f"the node is at height {info.blocks}, behind block {tip.hash} at height {tip.height}")


def _find_block_hash(node: NodeClient, height: int) -> str | None:
    """Return the hash of the best chain's block at a height, or None if the chain is not that long."""
    try:
        return node.get_block_hash(height)
    except NodeRejectedError as error:
        if error.code == _RPC_INVALID_PARAMETER:
            return None
        raise


def _retreat(consumer: str, event: BlockEvent) -> None:
    """Remove the cursor's row, which must be its highest."""
    above = FollowedBlock.objects.filter(consumer=consumer, height__gt=event.height)
    rows = FollowedBlock.objects.filter(consumer=consumer, height=event.height, hash=event.hash)
    if above.exists() or rows.delete()[0] != 1:
        raise StaleEventError(f"{consumer} does not end in {event.hash} at {event.height}")
