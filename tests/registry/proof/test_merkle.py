import hashlib

import merkletools
import pytest
from bitcoin.core import CBlock, CMutableTransaction, CTransaction, CTxIn, CTxOut
from bitcoin.core.script import CScript
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.errors import BatchPathError, BlockPathError
from registry.proof.merkle import (
    BLOCK_DEPTH_MAX,
    block_merkle_path,
    block_root_from_path,
    levels_from_joined,
    merkle_levels,
    merkle_path,
    merkle_root,
    path_from_levels,
    root_from_path,
)


def make_hashes(count: int) -> list[bytes]:
    return [hashlib.sha256(n.to_bytes(4)).digest() for n in range(count)]


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, without the prefixes: split at the largest power of two below the size."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(1, 34))
def test_the_batch_tree_is_the_slow_reference_and_merkletools(size: int):
    leaves = make_hashes(size)
    tree = merkletools.MerkleTools()
    tree.add_leaf([leaf.hex() for leaf in leaves])
    tree.make_tree()

    root = merkle_root(leaves)

    assert root == slow_root(leaves)
    assert root.hex() == tree.get_merkle_root()
    for position in range(size):
        path = merkle_path(leaves, position)
        assert [node.hex() for node in path] == [next(iter(s.values())) for s in tree.get_proof(position)]
        assert root_from_path(leaf=leaves[position], position=position, size=size, path=path) == root


def slow_levels(leaves: list[bytes]) -> list[list[bytes]]:
    """Return every level, node by node."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        pairs = [below[at : at + 2] for at in range(0, len(below), 2)]
        levels.append([hashlib.sha256(b"".join(pair)).digest() if len(pair) == 2 else pair[0] for pair in pairs])
    return levels


@pytest.mark.parametrize("size", [*range(1, 40), 1_022, 1_023, 1_024, 1_025, 1_026, 2_047, 2_049, 3_071, 9_999])
def test_every_level_is_the_slow_references_whatever_the_pieces(size: int):
    leaves = make_hashes(size)

    levels = merkle_levels(leaves)

    assert levels == [b"".join(level) for level in slow_levels(leaves)]
    assert levels == levels_from_joined(b"".join(leaves))
    assert levels[-1] == slow_root(leaves)
    for position in {0, size // 3, size - 1}:
        path = path_from_levels(levels, position)
        assert root_from_path(leaf=leaves[position], position=position, size=size, path=path) == levels[-1]


@pytest.mark.parametrize("leaves", [[bytes(31)], [bytes(31), bytes(33)], [bytes(32)] * 600 + [b""]])
def test_refuses_leaves_of_another_length(leaves: list[bytes]):
    with pytest.raises(BatchPathError, match="32 bytes"):
        merkle_levels(leaves)


@pytest.mark.parametrize("joined", [b"", bytes(31), bytes(65)])
def test_refuses_joined_leaves_that_are_none_or_cut_off(joined: bytes):
    with pytest.raises(BatchPathError, match="32 bytes"):
        levels_from_joined(joined)


@given(st.integers(1, 40), st.data())
def test_no_other_place_of_a_batch_accepts_a_leafs_path(size: int, data: st.DataObject):
    leaves = make_hashes(size)
    position = data.draw(st.integers(0, size - 1))
    claimed = data.draw(st.tuples(st.integers(-1, 50), st.integers(0, 50)))
    path = merkle_path(leaves, position)
    try:
        root = root_from_path(leaf=leaves[position], position=claimed[0], size=claimed[1], path=path)
    except BatchPathError:
        return
    # A path binds the sides, so another index gives another root; another size may give the same sides, and the
    # commitment binds the size.
    assert (root == merkle_root(leaves)) == (_get_sides(*claimed) == _get_sides(position, size))


def _get_sides(position: int, size: int) -> list[int]:
    sides = []
    while size > 1:
        if position ^ 1 < size:
            sides.append(position & 1)
        position, size = position >> 1, (size + 1) >> 1
    return sides


def test_refuses_trees_and_places_that_do_not_exist():
    with pytest.raises(BatchPathError):
        merkle_root([])
    with pytest.raises(BatchPathError):
        merkle_path(make_hashes(3), 3)
    with pytest.raises(BatchPathError):
        root_from_path(leaf=bytes(32), position=0, size=1, path=[bytes(32)])


@pytest.mark.parametrize("count", range(1, 14))
def test_the_block_tree_is_python_bitcoinlibs(count: int):
    transactions = [CTransaction.from_tx(CMutableTransaction([CTxIn()], [CTxOut(n, CScript())])) for n in range(count)]
    txids = [transaction.GetTxid() for transaction in transactions]
    expected = CBlock.build_merkle_tree_from_txids(txids)[-1]

    for index in range(count):
        path = block_merkle_path(txids, index)
        assert block_root_from_path(txid=txids[index], tx_index=index, path=path) == expected


def test_refuses_block_places_that_do_not_exist():
    with pytest.raises(BlockPathError):
        block_merkle_path(make_hashes(2), 2)
    with pytest.raises(BlockPathError):
        block_root_from_path(txid=bytes(32), tx_index=2, path=[b"1" * 32])
    with pytest.raises(BlockPathError):
        block_root_from_path(txid=bytes(32), tx_index=0, path=[b"1" * 32] * (BLOCK_DEPTH_MAX + 1))


def test_the_repeated_last_transaction_has_one_index_only():
    txids = make_hashes(3)
    path = block_merkle_path(txids, 2)
    assert path[0] == txids[2]

    block_root_from_path(txid=txids[2], tx_index=2, path=path)

    with pytest.raises(BlockPathError, match="repeated"):
        block_root_from_path(txid=txids[2], tx_index=3, path=path)
