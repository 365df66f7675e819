"""Every block that the node has accepted, as a tree, and the branch of it that is the active chain."""

from collections.abc import Iterator
from dataclasses import dataclass

from chain.devnode.coins import CoinSet
from chain.transactions import Block, Transaction, parse_block

MEDIAN_TIME_BLOCKS = 11
_BITS_OFFSET = 72


@dataclass(frozen=True)
class BlockNode:
    """A block of the tree: its serialisation, its contents, and the work of the chain that ends in it."""

    raw: bytes
    block: Block
    work: int

    @property
    def bits(self) -> int:
        """The proof of work's compact target."""
        return int.from_bytes(self.block.header[_BITS_OFFSET : _BITS_OFFSET + 4], "little")


@dataclass(frozen=True)
class ChainChange:
    """How the active chain moved: blocks that left it (last first), blocks that joined it (first first)."""

    disconnected: tuple[Block, ...]
    connected: tuple[Block, ...]


class BlockTree:
    """Blocks by hash in the order of their acceptance, the active chain by height, and its coins."""

    def __init__(self, genesis: bytes) -> None:
        root = BlockNode(genesis, parse_block(genesis), _block_work(genesis))
        self._nodes: dict[str, BlockNode] = {root.block.hash: root}
        self._active: list[BlockNode] = [root]
        self._invalidated: set[str] = set()
        self._block_by_txid: dict[str, str] = {}
        self.coins = CoinSet()

    @property
    def tip(self) -> BlockNode:
        """The active chain's last block."""
        return self._active[-1]

    def find(self, block_hash: str) -> BlockNode | None:
        """Return a block of the tree, or None."""
        return self._nodes.get(block_hash)

    def find_active(self, height: int) -> BlockNode | None:
        """Return the active chain's block at a height, or None."""
        return self._active[height] if 0 <= height < len(self._active) else None

    def is_active(self, block: Block) -> bool:
        """Tell whether a block is in the active chain."""
        node = self.find_active(block.height)
        return node is not None and node.block.hash == block.hash

    def find_transaction(self, txid: str) -> tuple[Transaction, Block] | None:
        """Return a transaction of the active chain with its block, or None."""
        block_hash = self._block_by_txid.get(txid)
        if block_hash is None:
            return None
        block = self._nodes[block_hash].block
        return next(item for item in block.transactions if item.txid == txid), block

    def median_time(self, block: Block) -> int:
        """Return the median of the last eleven blocks' times up to this one (BIP 113)."""
        times: list[int] = []
        node: BlockNode | None = self._nodes[block.hash]
        while node is not None and len(times) < MEDIAN_TIME_BLOCKS:
            times.append(node.block.time)
            node = self._nodes.get(node.block.previous_hash)
        return sorted(times)[len(times) // 2]

    def add(self, raw: bytes) -> BlockNode:
        """Add an accepted block whose parent is in the tree."""
        parent = self._nodes[read_previous_hash(raw)]
        node = BlockNode(raw, parse_block(raw, height=parent.block.height + 1), parent.work + _block_work(raw))
        self._nodes[node.block.hash] = node
        return node

    def invalidate(self, block_hash: str) -> None:
        """Bar a block, and with it everything that builds on it, from the active chain."""
        self._invalidated.add(block_hash)

    def reconsider(self, block_hash: str) -> None:
        """Lift the bar from a block, its ancestors and its descendants."""
        self._invalidated = {
            item
            for item in self._invalidated
            if not (self._is_ancestor(item, block_hash) or self._is_ancestor(block_hash, item))
        }

    def is_barred(self, block_hash: str) -> bool:
        """Tell whether a block or one of its ancestors was invalidated."""
        return any(self._is_ancestor(item, block_hash) for item in self._invalidated)

    def iterate_eligible(self) -> Iterator[bytes]:
        """Yield the blocks after genesis that are not barred, in the order of their acceptance."""
        barred = set(self._invalidated)
        for block_hash, node in self._nodes.items():
            if node.block.previous_hash in barred:
                barred.add(block_hash)
            if block_hash not in barred and node.block.height > 0:
                yield node.raw

    def activate(self, tip_hash: str) -> ChainChange:
        """Make the branch that ends in `tip_hash` the active chain; coins and index follow."""
        branch = []
        node = self._nodes[tip_hash]
        while not self.is_active(node.block):
            branch.append(node)
            node = self._nodes[node.block.previous_hash]
        disconnected = []
        while len(self._active) > node.block.height + 1:
            disconnected.append(self._disconnect_tip())
        for joining in reversed(branch):
            self._connect(joining)
        return ChainChange(tuple(disconnected), tuple(item.block for item in reversed(branch)))

    def _connect(self, node: BlockNode) -> None:
        """Add a block at the end of the active chain."""
        self.coins.connect(node.block)
        for transaction in node.block.transactions:
            self._block_by_txid[transaction.txid] = node.block.hash
        self._active.append(node)

    def _disconnect_tip(self) -> Block:
        """Take the last block off the active chain."""
        block = self._active.pop().block
        self.coins.disconnect(block)
        for transaction in block.transactions:
            del self._block_by_txid[transaction.txid]
        return block

    def _is_ancestor(self, ancestor_hash: str, block_hash: str) -> bool:
        """Tell whether a block is another one or one that it builds on."""
        ancestor_height = self._nodes[ancestor_hash].block.height
        node = self._nodes[block_hash]
        while node.block.height > ancestor_height:
            node = self._nodes[node.block.previous_hash]
        return node.block.hash == ancestor_hash


def read_previous_hash(raw: bytes) -> str:
    """Return the hash of the block that a serialised block builds on."""
    return raw[4:36][::-1].hex()


def _block_work(raw: bytes) -> int:
    """Return the expected number of hashes that a block's target takes (Core's GetBlockProof)."""
    bits = int.from_bytes(raw[_BITS_OFFSET : _BITS_OFFSET + 4], "little")
    return int(2**256 // (expand_target(bits) + 1))


def expand_target(bits: int) -> int:
    """Return the 256-bit target of its compact form (regtest's never overflow)."""
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    return mantissa << (8 * (exponent - 3))
