"""Blocks as they are taken from a node: what it gives must be what was asked for, whole and in its place."""

from chain.errors import BlockPrunedError, NodeInconsistentError, TransactionFormatError
from chain.node import NodeClient
from chain.transactions import Block, merkle_root, parse_block

_MERKLE_ROOT = slice(36, 68)


def fetch_block(*, node: NodeClient, block_hash: str, height: int) -> Block:
    """Return the block that the node names at a height of its best chain.

    Its header must have the hash, its transactions must lead to the header's Merkle root. Whether the block is valid
    is the node's to decide.
    Raises BlockPrunedError if the node has pruned it, NodeInconsistentError if it does not have the block or gives
    another one, NodeUnavailableError if it does not answer.
    """
    raw = fetch_raw_block(node=node, block_hash=block_hash, height=height)
    try:
        block = parse_block(raw, height=height)
    except TransactionFormatError as error:
        raise NodeInconsistentError(f"the node's block {block_hash} at height {height} cannot be read") from error
    check_transactions(block)
    return block


def fetch_raw_block(*, node: NodeClient, block_hash: str, height: int) -> bytes:
    """Return the bytes of the block that the node names at a height; only the header is checked, by its hash.

    Raises BlockPrunedError if the node has pruned it, NodeInconsistentError if it does not have the block or gives
    another one, NodeUnavailableError if it does not answer.
    """
    raw = node.find_block(block_hash)
    if raw is None:
        raise _explain_missing(node=node, block_hash=block_hash, height=height)
    return raw


def check_transactions(block: Block) -> None:
    """Check that the block's transactions are those that its header commits to.

    Raises NodeInconsistentError if they are not, or if one is there twice, which leaves the root as it was
    (CVE-2012-2459).
    """
    txids = [bytes.fromhex(item.txid)[::-1] for item in block.transactions]
    if len(set(txids)) != len(txids) or merkle_root(txids) != block.header[_MERKLE_ROOT]:
        raise NodeInconsistentError(f"the node's block {block.hash} has other transactions than its header says")


def _explain_missing(*, node: NodeClient, block_hash: str, height: int) -> Exception:
    """Return the error of a block that the node names and does not have."""
    info = node.get_blockchain_info()
    if not info.pruned:
        return NodeInconsistentError(f"the node names block {block_hash} at height {height}, but does not have it")
    rest = "" if info.prune_height is None else f"; the lowest block that it has is at height {info.prune_height}"
    return BlockPrunedError(f"the node has pruned block {block_hash} at height {height}, which is needed{rest}")
