"""The settlement tree: a Merkle tree whose every node also commits to the sum of the amounts below it.

Its shape is RFC 6962's: a last node without a neighbour moves up unchanged. docs/reference/settlement.md has the
format, fixtures/vectors/settlement/ its vectors. A tree without leaves has count 0, sum 0 and a root of 32 zero bytes.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from payouts.rules.errors import InclusionError, SumOverflowError, SumTreeError
from registry.proof.errors import BatchPathError
from registry.proof.merkle import path_sides

LEAF_TAG = b"cadastre/settlement-leaf/v1\0"
REFUND_TAG = b"cadastre/settlement-refund/v1\0"
NODE_TAG = b"cadastre/settlement-node/v1\0"
SUM_LIMIT = 2**63
EMPTY_ROOT = bytes(32)
NO_AFFILIATE = bytes(16)
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree: the sum of the amounts below it in millisatoshi, and its hash of 32 bytes."""

    sum_msat: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Root:
    """A finished tree: how many leaves, their sum in millisatoshi, and the root's hash of 32 bytes."""

    count: int
    sum_msat: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class TransferLeaf:
    """What the tree says about one microtransaction. `nonce_sha256` is 32 bytes, zeros if the payer sent none."""

    transfer_id: UUID
    record_id: UUID
    work_id: UUID
    policy_id: UUID
    uploader_id: UUID
    affiliate_id: UUID | None
    amount_msat: int
    nonce_sha256: bytes

    @property
    def order(self) -> tuple[UUID, UUID, UUID]:
        """The leaf's place among the others of its tree."""
        return (self.work_id, self.policy_id, self.transfer_id)

    def to_node(self) -> Node:
        """Return the tree's lowest node for this leaf. Raises SumTreeError if a field is out of range."""
        if len(self.nonce_sha256) != HASH_BYTES:
            raise SumTreeError("a nonce's hash is 32 bytes")
        return _hash_leaf(LEAF_TAG, self, self.nonce_sha256)


@dataclass(frozen=True, slots=True)
class RefundLeaf:
    """What the second tree says about one refund: the transfer that it returns, as that transfer was counted."""

    refund_id: UUID
    transfer_id: UUID
    record_id: UUID
    work_id: UUID
    policy_id: UUID
    uploader_id: UUID
    affiliate_id: UUID | None
    amount_msat: int

    @property
    def order(self) -> tuple[UUID, UUID, UUID]:
        """The leaf's place among the others of its tree."""
        return (self.work_id, self.policy_id, self.transfer_id)

    def to_node(self) -> Node:
        """Return the tree's lowest node for this leaf. Raises SumTreeError if the amount is out of range."""
        return _hash_leaf(REFUND_TAG, self, self.refund_id.bytes)


Leaf = TransferLeaf | RefundLeaf


def _hash_leaf(tag: bytes, leaf: Leaf, last: bytes) -> Node:
    ids = (leaf.transfer_id, leaf.record_id, leaf.work_id, leaf.policy_id, leaf.uploader_id)
    affiliate = NO_AFFILIATE if leaf.affiliate_id is None else leaf.affiliate_id.bytes
    if not 0 <= leaf.amount_msat < SUM_LIMIT:
        raise SumOverflowError(f"an amount of {leaf.amount_msat} msat is out of range")
    amount = leaf.amount_msat.to_bytes(8)
    preimage = tag + b"".join(key.bytes for key in ids) + affiliate + amount + last
    return Node(leaf.amount_msat, hashlib.sha256(preimage).digest())


def join_nodes(left: Node, right: Node) -> Node:
    """Return the node above two. Raises SumOverflowError if a sum is negative or theirs together reaches 2**63."""
    total = left.sum_msat + right.sum_msat
    if min(left.sum_msat, right.sum_msat) < 0 or total >= SUM_LIMIT:
        raise SumOverflowError(f"{left.sum_msat} + {right.sum_msat} msat is out of range")
    preimage = NODE_TAG + left.sum_msat.to_bytes(8) + left.hash + right.sum_msat.to_bytes(8) + right.hash
    return Node(total, hashlib.sha256(preimage).digest())


class RootBuilder:
    """Builds a root from leaves that arrive in order, in memory of one node per level."""

    def __init__(self) -> None:
        self._count = 0
        self._last_order: tuple[UUID, UUID, UUID] | None = None
        # Perfect subtrees from left to right, each smaller than the one before it.
        self._subtrees: list[tuple[int, Node]] = []

    def add(self, leaf: Leaf) -> None:
        """Append a leaf.

        Raises SumTreeError if it does not come after the one before it, SumOverflowError if a sum reaches 2**63.
        """
        if self._last_order is not None and leaf.order <= self._last_order:
            raise SumTreeError("leaves must be in order of work, policy and transfer, and no transfer may repeat")
        self._last_order = leaf.order
        self._count += 1
        size, node = 1, leaf.to_node()
        while self._subtrees and self._subtrees[-1][0] == size:
            _, left = self._subtrees.pop()
            size, node = size * 2, join_nodes(left, node)
        self._subtrees.append((size, node))

    def finish(self) -> Root:
        """Return the root of the leaves added so far. Raises SumOverflowError if a sum reaches 2**63."""
        if not self._subtrees:
            return Root(0, 0, EMPTY_ROOT)
        *lefts, (_, node) = self._subtrees
        for _, left in reversed(lefts):
            node = join_nodes(left, node)
        return Root(self._count, node.sum_msat, node.hash)


def build_root(leaves: Iterable[Leaf]) -> Root:
    """Return the root of leaves in order. Raises SumTreeError as RootBuilder does."""
    builder = RootBuilder()
    for leaf in leaves:
        builder.add(leaf)
    return builder.finish()


def prove_inclusion(leaves: Sequence[Leaf], index: int) -> tuple[Node, ...]:
    """Return the neighbours on the way from a leaf to the root. Raises SumTreeError if there is no such leaf."""
    if not 0 <= index < len(leaves):
        raise SumTreeError(f"a tree of {len(leaves)} leaves has none at {index}")
    path = []
    level = [leaf.to_node() for leaf in leaves]
    while len(level) > 1:
        if index ^ 1 < len(level):
            path.append(level[index ^ 1])
        above = [join_nodes(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = above + level[len(above) * 2 :]
        index //= 2
    return tuple(path)


def check_inclusion(*, leaf: Leaf, index: int, path: Sequence[Node], root: Root) -> None:
    """Check that a leaf is in the tree of this root, with its amount counted.

    The sides follow from (index, count) alone. Raises InclusionError if the proof does not show it, SumOverflowError if
    a sum on the way is out of range.
    """
    try:
        sides = path_sides(index, root.count)
    except BatchPathError as error:
        raise InclusionError(str(error)) from error
    if len(path) != len(sides):
        raise InclusionError(f"a path of {len(path)} steps where {len(sides)} belong")
    node = leaf.to_node()
    for neighbour, is_left in zip(path, sides, strict=True):
        node = join_nodes(neighbour, node) if is_left else join_nodes(node, neighbour)
    if (node.sum_msat, node.hash) != (root.sum_msat, root.hash):
        raise InclusionError("the path leads to another root")
