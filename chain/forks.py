"""Where the node's chain leaves the followed one, found and checked before anything is undone.

A node may be catching up, may have been swapped for another, or may answer differently from one call to the next. Only
one that shows the blocks which take the place of the followed ones, each linked to the one before, is believed.
"""

import itertools
from dataclasses import dataclass

from chain.blocks import fetch_block
from chain.errors import (
    FollowedChainBrokenError,
    NodeBehindError,
    NodeChainMovedError,
    NodeInconsistentError,
    NodeRejectedError,
    ReorganisationTooDeepError,
    StaleEventError,
)
from chain.models import AllowedReorganisation, FollowedBlock
from chain.node import NodeClient
from chain.node_refusals import RPC_INVALID_ADDRESS_OR_KEY
from chain.node_results import ChainInfo

REORGANISATION_BLOCKS_MAX = 100
"""So many followed blocks are undone without a person's decision: as deep as the blocks that commitments cite and as
a register's first output lie. No deeper reorganisation of the main network is known; it would mean another chain, or
a node that lies."""


@dataclass(frozen=True)
class Fork:
    """Where two chains part: the cursor, and the last followed block that the node's chain has too.

    `last` is None if the node's chain has none of the blocks that are kept.
    """

    tip: FollowedBlock
    last: FollowedBlock | None
    oldest_height: int

    @property
    def name(self) -> str:
        """The last block that both chains have as HEIGHT:HASH, empty if none is known."""
        return "" if self.last is None else f"{self.last.height}:{self.last.hash}"

    @property
    def first_height(self) -> int:
        """The height of the lowest followed block that is off the node's chain."""
        return self.oldest_height if self.last is None else self.last.height + 1

    @property
    def depth(self) -> int:
        """How many followed blocks are off the node's chain."""
        return self.tip.height - self.first_height + 1


def find_fork(*, node: NodeClient, tip: FollowedBlock) -> Fork:
    """Find where the node's chain leaves the one that was followed up to a cursor.

    Asks for about twice as many hashes as the depth has binary digits, not for each block.
    Raises StaleEventError if another worker undoes blocks meanwhile, FollowedChainBrokenError if the followed blocks
    are not one chain, NodeUnavailableError if the node does not answer.
    """
    oldest_height = _check_followed(tip)
    step, high, last = 1, tip.height + 1, None
    # Downwards in growing steps until a followed block is on the node's chain ...
    while last is None and high > oldest_height:
        height = max(high - step, oldest_height)
        last = _find_shared(node, tip, height)
        high, step = (high, step) if last else (height, step * 2)
    # ... then halving: all up to `last` are on it, all from `high` on are not.
    while last is not None and high - last.height > 1:
        height = (last.height + high) // 2
        shared = _find_shared(node, tip, height)
        last, high = (shared, high) if shared else (last, height)
    return Fork(tip, last, oldest_height)


def check_fork(*, node: NodeClient, fork: Fork) -> None:
    """Check that the followed blocks above a fork may be undone.

    Raises NodeBehindError if the node may yet reach them, ReorganisationTooDeepError if they are more than
    REORGANISATION_BLOCKS_MAX and nobody has allowed it, NodeInconsistentError if the node does not show the blocks that
    take their place, NodeChainMovedError if its chain changes meanwhile, BlockPrunedError if it has pruned them.
    """
    info = node.get_blockchain_info()
    if _is_behind(node, fork, info):
        raise _make_behind_error(fork, info)
    if fork.depth > REORGANISATION_BLOCKS_MAX and not _is_allowed(fork):
        raise ReorganisationTooDeepError(describe_fork(fork))
    _check_branch(node, fork, info)


def describe_fork(fork: Fork) -> str:
    """Say in words how deep a fork is, and where."""
    tip = f"{fork.tip.consumer} has followed the chain to block {fork.tip.hash} at height {fork.tip.height}"
    if fork.last is None:
        return f"{tip}; the node's chain has none of the last {fork.depth} blocks"
    return (
        f"{tip}; the node's chain leaves it after block {fork.last.hash} at height {fork.last.height}, "
        f"{fork.depth} {'block' if fork.depth == 1 else 'blocks'} deep"
    )


def _check_followed(tip: FollowedBlock) -> int:
    """Check that the followed blocks are one linked chain, and return the height of the lowest.

    A missing row would look like another worker's progress for ever. One statement reads them all, so that what other
    workers do meanwhile is seen whole or not at all.
    """
    rows = FollowedBlock.objects.filter(consumer=tip.consumer).order_by("height")
    followed = list(rows.values_list("height", "hash", "previous_hash"))
    if not followed:
        raise StaleEventError(f"{tip.consumer} has no followed block any more")
    for (height, block_hash, _), (next_height, _, previous_hash) in itertools.pairwise(followed):
        if (next_height, previous_hash) != (height + 1, block_hash):
            raise FollowedChainBrokenError(
                f"what {tip.consumer} has followed is broken between the heights {height} and {next_height}"
            )
    return followed[0][0]


def _find_shared(node: NodeClient, tip: FollowedBlock, height: int) -> FollowedBlock | None:
    """Return the block followed at a height if the node's chain has it there too.

    Raises StaleEventError if another worker has undone it meanwhile.
    """
    row = FollowedBlock.objects.filter(consumer=tip.consumer, height=height).first()
    if row is None:
        raise StaleEventError(f"{tip.consumer} has no block at {height} any more")
    return row if node.find_block_hash(height) == row.hash else None


def _is_behind(node: NodeClient, fork: Fork, info: ChainInfo) -> bool:
    """Tell whether the node may have yet to reach the followed blocks.

    While a node starts, downloads or reindexes, it may know headers far above the last block of its chain, so that a
    block off its chain may be one that it has yet to reach, and its chain may be a branch that was abandoned long ago.
    A chain that is lower than the followed one has replaced it only where the node knows the followed tip, and of
    nothing more to catch up with; a node that does not say whether it is in its initial download is not believed there.
    """
    if info.is_initial_block_download:
        return True
    if info.blocks >= fork.tip.height:
        return False
    is_beginning = info.blocks < fork.first_height
    is_catching_up = info.is_initial_block_download is None or info.headers >= fork.tip.height
    return is_beginning or is_catching_up or not _is_known(node, fork.tip.hash)


def _is_known(node: NodeClient, block_hash: str) -> bool:
    """Tell whether the node has the header of a block, on its best chain or off it."""
    try:
        node.get_raw_header(block_hash)
    except NodeRejectedError as error:
        if error.code == RPC_INVALID_ADDRESS_OR_KEY:
            return False
        raise
    return True


def _is_allowed(fork: Fork) -> bool:
    """Tell whether an operator has allowed to go back to this fork."""
    if fork.last is None:
        return False
    allowed = AllowedReorganisation.objects.filter(consumer=fork.tip.consumer)
    return allowed.filter(fork_height=fork.last.height, fork_hash=fork.last.hash).exists()


def _check_branch(node: NodeClient, fork: Fork, info: ChainInfo) -> None:
    """Fetch the blocks that take the place of the followed ones, the first REORGANISATION_BLOCKS_MAX at most.

    What does not fit is asked for again: only a node that stands by it contradicts itself.
    """
    previous_hash = None if fork.last is None else fork.last.hash
    end = min(info.blocks, fork.tip.height, fork.first_height + REORGANISATION_BLOCKS_MAX - 1)
    for height in range(fork.first_height, end + 1):
        block_hash = node.find_block_hash(height)
        if block_hash is None:
            if node.get_blockchain_info().blocks < height or node.find_block_hash(height) is not None:
                raise NodeChainMovedError
            raise NodeInconsistentError(f"the node is at height {info.blocks}, but names no block at height {height}")
        if FollowedBlock.objects.filter(consumer=fork.tip.consumer, height=height, hash=block_hash).exists():
            # The node has reached a followed block since it was asked for the fork.
            raise _make_behind_error(fork, info)
        block = fetch_block(node=node, block_hash=block_hash, height=height)
        if previous_hash not in {None, block.previous_hash}:
            if node.find_block_hash(height - 1) != previous_hash:
                raise NodeChainMovedError
            raise NodeInconsistentError(f"the node's block {block_hash} at height {height} is not on {previous_hash}")
        previous_hash = block.hash


def _make_behind_error(fork: Fork, info: ChainInfo) -> NodeBehindError:
    return NodeBehindError(
        f"the node is at height {info.blocks}, behind block {fork.tip.hash} at height {fork.tip.height}"
    )
