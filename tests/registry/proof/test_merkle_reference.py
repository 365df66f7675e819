"""The batch's tree against a slow reading of RFC 6962 (without its prefixes), for every place of every size."""

import hashlib
from functools import cache

import pytest

from registry.proof.errors import BatchPathError
from registry.proof.merkle import merkle_levels, merkle_path, merkle_root, path_from_levels, path_sides, root_from_path

SIZE_MAX = 70
LEAVES = [hashlib.sha256(bytes([n])).digest() for n in range(SIZE_MAX)]


@cache
def slow_root(start: int, end: int) -> bytes:
    """RFC 6962, section 2.1, of the leaves from start to end."""
    if end - start == 1:
        return LEAVES[start]
    split = start + find_split(end - start)
    return hashlib.sha256(slow_root(start, split) + slow_root(split, end)).digest()


def slow_path(position: int, start: int, end: int) -> list[tuple[bytes, bool]]:
    """RFC 6962, section 2.1.1: each neighbour, and whether it stands on the left."""
    if end - start == 1:
        return []
    split = start + find_split(end - start)
    if position < split:
        return [*slow_path(position, start, split), (slow_root(split, end), False)]
    return [*slow_path(position, split, end), (slow_root(start, split), True)]


def find_split(size: int) -> int:
    """Return the largest power of two below the size."""
    split = 1
    while 2 * split < size:
        split *= 2
    return split


@pytest.mark.parametrize("size", range(1, SIZE_MAX + 1))
def test_every_place_has_the_references_root_path_and_sides(size: int):
    leaves = LEAVES[:size]
    levels = merkle_levels(leaves)

    assert merkle_root(leaves) == slow_root(0, size)
    for position in range(size):
        expected = slow_path(position, 0, size)
        path = path_from_levels(levels, position)
        assert list(zip(path, path_sides(position, size), strict=True)) == expected
        assert root_from_path(leaf=leaves[position], position=position, size=size, path=path) == slow_root(0, size)


@pytest.mark.parametrize("size", range(1, 41))
def test_no_other_place_of_the_same_size_accepts_a_path(size: int):
    leaves = LEAVES[:size]
    root, levels = slow_root(0, size), merkle_levels(leaves)
    for position in range(size):
        path = path_from_levels(levels, position)
        for other in range(size):
            if other != position:
                assert not proves(leaves[position], other, size, path, root)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 31, 32, 33, 64])
def test_no_changed_path_verifies(size: int):
    leaves = LEAVES[:size]
    root = slow_root(0, size)
    for position in range(size):
        leaf, path = leaves[position], merkle_path(leaves, position)
        for changed in list_changes(path):
            assert not proves(leaf, position, size, changed, root)
        assert not proves(bytes(32), position, size, path, root)
        assert not proves(leaf, position, size, path, bytes(32))


@pytest.mark.parametrize("size", [2, 3, 7, 16, 33])
def test_no_inner_node_verifies_as_a_leaf(size: int):
    for node, path in list_inner_nodes(0, size):
        for cut in (path, path[:1], *(path[step:] for step in range(1, len(path)))):
            assert not any(proves(node, position, size, cut, slow_root(0, size)) for position in range(size))


def list_inner_nodes(start: int, end: int, above: tuple[bytes, ...] = ()) -> list[tuple[bytes, tuple[bytes, ...]]]:
    """Return every node that is no leaf, below the root included, with the neighbours on its way up."""
    if end - start == 1:
        return []
    split = start + find_split(end - start)
    return [
        (slow_root(start, end), above),
        *list_inner_nodes(start, split, (slow_root(split, end), *above)),
        *list_inner_nodes(split, end, (slow_root(start, split), *above)),
    ]


def list_changes(path: tuple[bytes, ...]) -> list[tuple[bytes, ...]]:
    """Return a path with a byte changed, a step less, more, twice or elsewhere."""
    changes = [(*path, bytes(32)), (bytes(32), *path)]
    for place, node in enumerate(path):
        flipped = bytes([node[0] ^ 1]) + node[1:]
        changes += [
            (*path[:place], flipped, *path[place + 1 :]),
            path[:place] + path[place + 1 :],
            path[: place + 1] + path[place:],
        ]
        if place:
            changes.append((*path[: place - 1], node, path[place - 1], *path[place + 1 :]))
    return changes


def proves(leaf: bytes, position: int, size: int, path: tuple[bytes, ...], root: bytes) -> bool:
    try:
        return root_from_path(leaf=leaf, position=position, size=size, path=path) == root
    except BatchPathError:
        return False
