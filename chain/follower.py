"""Blocks, one event at a time, for consumers that keep their cursor together with the effects.

`follow` asks the node for the next event (network, no transaction) and then, in one transaction, calls `advance` and
lets the consumer apply the event's effects. So each block's effects are applied exactly once, and undone exactly once
if the chain leaves it. It goes on where the last block was applied, however long ago that was: no block is skipped.

Several workers may follow for the same consumer: its FollowerState is locked while the cursor moves, so that the next
worker sees where it is now, and an event from before that is refused.

A block costs the node two calls, a look at an unchanged chain three.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.conf import settings
from django.db import transaction

from chain.blocks import fetch_block
from chain.errors import ChainError, NodeInconsistentError, StaleEventError
from chain.follower_states import note_problem, note_progress
from chain.forks import Fork, check_fork, describe_fork, find_fork
from chain.models import AllowedReorganisation, FollowedBlock, FollowerState
from chain.node import NodeClient
from chain.node_networks import check_network
from chain.transactions import Block
from database.transactions import require_transaction

EVENTS_MAX = 2_000
"""Events of one call to follow, so that a worker that catches up is not busy for hours."""

BLOCKS_KEPT = 10_000
"""Followed blocks that are kept at least, ten weeks of them: a deeper reorganisation could not be undone, even if an
operator allowed it. Two megabytes for each consumer, where all blocks of the main network would take 150."""

PRUNING_INTERVAL = 1_000
"""Rows are removed so many at a time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlockEvent:
    """A block joined the best chain, or left it; only a joining block's contents are given."""

    kind: Literal["connected", "disconnected"]
    height: int
    hash: str
    block: Block | None


def follow(
    *,
    node: NodeClient,
    consumer: str,
    apply: Callable[[BlockEvent], None],
    now: datetime,
    limit: int = EVENTS_MAX,
) -> int:
    """Apply what happened to the chain since the last call: each event and its cursor in one transaction.

    Returns how many events were applied, at most `limit`; another worker that is ahead ends the call. What keeps the
    consumer from following is noted in its FollowerState.
    Raises what iterate_events raises.
    """
    applied = 0
    try:
        for event in iterate_events(node=node, consumer=consumer, start_height=settings.CADASTRE_CHAIN_START_HEIGHT):
            with transaction.atomic(durable=True):
                advance(consumer=consumer, event=event)
                apply(event)
            applied += 1
            if applied == limit:
                break
    except StaleEventError:
        return applied
    except ChainError as error:
        note_problem(consumer=consumer, error=error, now=now)
        raise
    note_progress(consumer=consumer, now=now)
    return applied


def iterate_events(*, node: NodeClient, consumer: str, start_height: int) -> Iterator[BlockEvent]:
    """Yield what happened to the chain after the consumer's cursor; each event must be applied before the next.

    1. The node must run the network that the settings name.
    2. If it does not have the cursor's block at its height, the fork is found and checked; then the followed blocks
       above it are disconnected, from the highest down.
    3. The blocks above the cursor are connected, up to the node's tip. A consumer without a cursor begins with the
       block at `start_height`.

    Raises NetworkError if the node runs another network, NodeBehindError if it is catching up with the blocks that were
    followed, ReorganisationTooDeepError if more would be undone than is undone without an operator's decision,
    BlockPrunedError if it has pruned a block that is needed, NodeInconsistentError if its answers contradict each
    other, NodeUnavailableError if it does not answer, FollowedChainBrokenError if the followed blocks are not one
    chain.
    """
    check_network(node)
    tip = find_tip(consumer)
    if tip is not None and node.find_block_hash(tip.height) != tip.hash:
        fork = find_fork(node=node, tip=tip)
        if fork.depth > 0:
            check_fork(node=node, fork=fork)
            logger.warning("reorganisation: %s", describe_fork(fork))
            yield from _disconnect(fork)
        tip = fork.last
    yield from _connect(node=node, tip=tip, start_height=start_height)


def next_event(*, node: NodeClient, consumer: str, start_height: int) -> BlockEvent | None:
    """Return what happened to the chain after the consumer's cursor, or None if nothing did.

    Raises what iterate_events raises.
    """
    return next(iterate_events(node=node, consumer=consumer, start_height=start_height), None)


def advance(*, consumer: str, event: BlockEvent) -> None:
    """Move the consumer's cursor over an event: a step of the transaction that applies its effects.

    The consumer's row is locked first, so that no other worker moves the cursor between the look at it and the end of
    the transaction.
    Raises StaleEventError if the cursor is not where the event begins: another worker was faster.
    """
    lock_cursor(consumer)
    if event.block is None:
        _retreat(consumer, event)
        return
    tip = find_tip(consumer)
    if tip is not None and (tip.hash, tip.height + 1) != (event.block.previous_hash, event.height):
        raise StaleEventError(f"{consumer} is at {tip.height}, not below {event.hash} at {event.height}")
    FollowedBlock.objects.create(
        consumer=consumer, height=event.height, hash=event.hash, previous_hash=event.block.previous_hash
    )
    if event.height % PRUNING_INTERVAL == 0:
        FollowedBlock.objects.filter(consumer=consumer, height__lte=event.height - BLOCKS_KEPT).delete()


def lock_cursor(consumer: str) -> None:
    """Keep other workers from moving the consumer's cursor until the transaction ends: a step."""
    require_transaction()
    FollowerState.objects.select_for_update().get_or_create(consumer=consumer)


def find_tip(consumer: str) -> FollowedBlock | None:
    """Return the consumer's cursor, or None before its first block."""
    return FollowedBlock.objects.filter(consumer=consumer).order_by("-height").first()


def _disconnect(fork: Fork) -> Iterator[BlockEvent]:
    """Yield the followed blocks above a fork, from the highest down."""
    rows = FollowedBlock.objects.filter(consumer=fork.tip.consumer, height__gte=fork.first_height)
    for height, block_hash in list(rows.order_by("-height").values_list("height", "hash")):
        yield BlockEvent("disconnected", height, block_hash, None)


def _connect(*, node: NodeClient, tip: FollowedBlock | None, start_height: int) -> Iterator[BlockEvent]:
    """Yield the blocks of the node's chain above a cursor.

    Ends early where the chain was reorganised between two calls; the next look sees it whole.
    """
    height = start_height if tip is None else tip.height + 1
    previous_hash = None if tip is None else tip.hash
    while (found := node.find_block_hash(height)) is not None:
        block = fetch_block(node=node, block_hash=found, height=height)
        if previous_hash not in {None, block.previous_hash}:
            if node.find_block_hash(height - 1) == previous_hash:
                raise NodeInconsistentError(f"the node's block {found} at height {height} is not on {previous_hash}")
            return
        yield BlockEvent("connected", height, found, block)
        height, previous_hash = height + 1, found


def _retreat(consumer: str, event: BlockEvent) -> None:
    """Remove the cursor's row, which must be its highest; an operator's permission ends at the fork."""
    above = FollowedBlock.objects.filter(consumer=consumer, height__gt=event.height)
    rows = FollowedBlock.objects.filter(consumer=consumer, height=event.height, hash=event.hash)
    if above.exists() or rows.delete()[0] != 1:
        raise StaleEventError(f"{consumer} does not end in {event.hash} at {event.height}")
    AllowedReorganisation.objects.filter(consumer=consumer, fork_height__gte=event.height - 1).delete()
