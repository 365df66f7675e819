"""The settlement tree against a slow reference written from RFC 6962's recursive definition."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.rules.errors import InclusionError, SumOverflowError, SumTreeError
from payouts.rules.sumtree import (
    EMPTY_ROOT,
    Leaf,
    Node,
    RefundLeaf,
    Root,
    TransferLeaf,
    build_root,
    check_inclusion,
    join_nodes,
    prove_inclusion,
)

VECTORS = Path(__file__).resolve().parents[3] / "fixtures" / "vectors" / "settlement"


def make_leaves(count: int) -> list[Leaf]:
    """Return leaves in order, of two works, every third with an affiliate."""
    return [
        TransferLeaf(
            transfer_id=UUID(int=1_000 + number),
            record_id=UUID(int=number),
            work_id=UUID(int=1 + 2 * number // max(count, 1)),
            policy_id=UUID(int=7),
            uploader_id=UUID(int=8),
            affiliate_id=UUID(int=9) if number % 3 == 0 else None,
            amount_msat=number * 11,
            nonce_sha256=bytes([number % 256]) * 32,
        )
        for number in range(count)
    ]


def reference_root(nodes: Sequence[Node]) -> Node:
    """Return the root as RFC 6962 defines it: split at the largest power of two below the size."""
    if len(nodes) == 1:
        return nodes[0]
    split = 1
    while split * 2 < len(nodes):
        split *= 2
    left, right = reference_root(nodes[:split]), reference_root(nodes[split:])
    preimage = b"cadastre/settlement-node/v1\0"
    preimage += left.sum_msat.to_bytes(8, "big") + left.hash + right.sum_msat.to_bytes(8, "big") + right.hash
    return Node(left.sum_msat + right.sum_msat, hashlib.sha256(preimage).digest())


@pytest.mark.parametrize("count", [*range(1, 40), 64, 100])
def test_the_root_is_the_one_of_the_slow_reference(count: int):
    leaves = make_leaves(count)
    expected = reference_root([leaf.to_node() for leaf in leaves])
    assert build_root(leaves) == Root(count, expected.sum_msat, expected.hash)


@given(st.integers(1, 60), st.data())
def test_every_leaf_is_proved(count: int, data: st.DataObject):
    leaves = make_leaves(count)
    index = data.draw(st.integers(0, count - 1))
    check_inclusion(leaf=leaves[index], index=index, path=prove_inclusion(leaves, index), root=build_root(leaves))


@given(st.integers(2, 40), st.data())
def test_a_changed_proof_is_refused(count: int, data: st.DataObject):
    leaves = make_leaves(count)
    root = build_root(leaves)
    index = data.draw(st.integers(0, count - 1))
    path = list(prove_inclusion(leaves, index))
    step = data.draw(st.integers(0, len(path) - 1))
    change = data.draw(st.sampled_from(["sum", "hash", "drop", "index", "leaf"]))
    leaf = leaves[index]
    if change == "sum":
        path[step] = replace(path[step], sum_msat=path[step].sum_msat + 1)
    elif change == "hash":
        path[step] = replace(path[step], hash=bytes(32))
    elif change == "drop":
        del path[step]
    elif change == "index":
        index = (index + 1) % count
    else:
        leaf = replace(leaf, amount_msat=leaf.amount_msat + 1)
    with pytest.raises(InclusionError):
        check_inclusion(leaf=leaf, index=index, path=path, root=root)


def test_a_tree_without_leaves_is_zeros():
    assert build_root([]) == Root(0, 0, EMPTY_ROOT)


def test_no_leaf_is_in_a_tree_without_leaves():
    with pytest.raises(InclusionError):
        check_inclusion(leaf=make_leaves(1)[0], index=0, path=(), root=build_root([]))


@pytest.mark.parametrize("order", [(1, 0), (0, 0)])
def test_refuses_leaves_out_of_order_and_repeated(order: tuple[int, int]):
    leaves = make_leaves(2)
    with pytest.raises(SumTreeError, match="in order"):
        build_root([leaves[place] for place in order])


@pytest.mark.parametrize("amount", [-1, 2**63])
def test_refuses_an_amount_out_of_range(amount: int):
    with pytest.raises(SumOverflowError):
        build_root([replace(make_leaves(1)[0], amount_msat=amount)])


def test_refuses_a_sum_of_two_to_the_power_of_63():
    leaves = make_leaves(2)
    with pytest.raises(SumOverflowError):
        build_root([replace(leaves[0], amount_msat=2**62), replace(leaves[1], amount_msat=2**62)])


def test_a_sum_just_below_the_limit_is_kept():
    leaves = make_leaves(2)
    root = build_root([replace(leaves[0], amount_msat=2**62), replace(leaves[1], amount_msat=2**62 - 1)])
    assert root.sum_msat == 2**63 - 1


def test_refuses_a_negative_sum_in_a_path():
    node = Node(1, bytes(32))
    with pytest.raises(SumOverflowError):
        join_nodes(node, Node(-1, bytes(32)))


def test_refuses_a_nonce_hash_of_another_length():
    leaf = make_leaves(1)[0]
    assert isinstance(leaf, TransferLeaf)
    with pytest.raises(SumTreeError, match="32 bytes"):
        build_root([replace(leaf, nonce_sha256=b"short")])


def test_refuses_a_proof_of_no_leaf():
    with pytest.raises(SumTreeError, match="none at 2"):
        prove_inclusion(make_leaves(2), 2)


def test_a_refund_never_hashes_like_a_transfer():
    leaf = make_leaves(1)[0]
    shared = ("transfer_id", "record_id", "work_id", "policy_id", "uploader_id", "affiliate_id", "amount_msat")
    refund = RefundLeaf(refund_id=UUID(int=5), **{name: getattr(leaf, name) for name in shared})
    assert refund.to_node().hash != leaf.to_node().hash


@pytest.mark.parametrize("path", sorted(VECTORS.glob("*.json")), ids=lambda path: path.stem)
def test_vectors(path: Path):
    vector = json.loads(path.read_text())
    leaves = [read_leaf(members) for members in vector["leaves"]]
    if vector["expect"] == "overflow":
        with pytest.raises(SumOverflowError):
            build_root(leaves)
    elif vector["expect"] == "order":
        with pytest.raises(SumTreeError):
            build_root(leaves)
    else:
        root = build_root(leaves)
        assert vector["root"] == {
            "count": str(root.count),
            "sum_msat": str(root.sum_msat),
            "root": root.hash.hex(),
        }


def read_leaf(members: dict[str, str | None]) -> Leaf:
    """Return the leaf that a vector describes."""
    values: dict[str, object] = {}
    for name, text in members.items():
        if name.endswith("_id"):
            values[name] = None if text is None else UUID(text)
        elif name == "amount_msat":
            values[name] = int(str(text))
        else:
            values[name] = bytes.fromhex(str(text))
    return (RefundLeaf if "refund_id" in members else TransferLeaf)(**values)  # type: ignore[arg-type]
