"""Trees in two stages: a batch's root over the roots of its subtrees is the root over its leaves."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.trees import SUBTREE_LEAVES, build_root
from tests.registry.proof.test_merkle import slow_root

SIZE_MAX = 3_000
LEAVES = [hashlib.sha256(number.to_bytes(4)).digest() for number in range(70_001)]


def build_in_stages(leaves: list[bytes]) -> bytes:
    """Build a batch's root as sealing does."""
    return build_root([build_root(leaves[at : at + SUBTREE_LEAVES]) for at in range(0, len(leaves), SUBTREE_LEAVES)])


def grow_slow_roots(count: int) -> list[bytes]:
    """Return the roots of the first 1, 2, ... count leaves by the slow reference, each whole subtree hashed once."""
    whole: dict[tuple[int, int], bytes] = {}

    def root(first: int, size: int) -> bytes:
        if size == 1:
            return LEAVES[first]
        if (first, size) not in whole:
            split = 1 << ((size - 1).bit_length() - 1)
            found = hashlib.sha256(root(first, split) + root(first + split, size - split)).digest()
            if size & (size - 1):
                return found
            whole[first, size] = found
        return whole[first, size]

    return [root(0, size) for size in range(1, count + 1)]


def test_the_root_in_stages_is_the_slow_references_for_every_size_up_to_three_subtrees():
    expected = grow_slow_roots(SIZE_MAX)
    subtrees = [build_root(LEAVES[at : at + SUBTREE_LEAVES]) for at in range(0, 2 * SUBTREE_LEAVES, SUBTREE_LEAVES)]

    for size in range(1, SIZE_MAX + 1):
        whole, rest = divmod(size, SUBTREE_LEAVES)
        last = [build_root(LEAVES[whole * SUBTREE_LEAVES : size])] if rest else []
        assert build_root(subtrees[:whole] + last) == expected[size - 1], size


@pytest.mark.parametrize("size", [1, 1_024, 1_025, 65_535, 65_536, 65_537, 70_001])
def test_large_trees_are_the_slow_references_and_merkletools(size: int):
    assert build_in_stages(LEAVES[:size]) == slow_root(LEAVES[:size]) == build_root(LEAVES[:size])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 20_000))
def test_any_size_gives_the_same_root_in_stages(size: int):
    assert build_in_stages(LEAVES[:size]) == build_root(LEAVES[:size])


@pytest.mark.parametrize("leaves", [[], [bytes(31)], [bytes(32), bytes(33)]])
def test_refuses_what_are_no_leaves(leaves: list[bytes]):
    with pytest.raises(ValueError, match="32 bytes"):
        build_root(leaves)
