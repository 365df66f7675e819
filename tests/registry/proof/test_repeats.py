from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.proof.repeats import LeafPile

LIMITS = [(1 << 20, 1 << 20), (64, 1 << 20), (640, 64)]


def make_pile(folder: Path, limits: tuple[int, int], number: int = 0) -> LeafPile:
    path = folder / f"pile-{number}"
    path.mkdir()
    return LeafPile(path, buffer_bytes_max=limits[0], file_bytes_max=limits[1])


@pytest.mark.parametrize("limits", LIMITS)
def test_leaves_that_all_differ_have_none_repeated(tmp_path: Path, limits: tuple[int, int]):
    pile = make_pile(tmp_path, limits)
    for number in range(50):
        pile.add([number.to_bytes(32), number.to_bytes(32, "little")])
    pile.add([])

    # 0 reads the same in both orders.
    assert pile.find_repeated() == bytes(32)


@pytest.mark.parametrize("limits", LIMITS)
def test_a_repeated_leaf_is_found_wherever_it_is(tmp_path: Path, limits: tuple[int, int]):
    leaves = [number.to_bytes(32, order) for number in range(1, 20) for order in ("big", "little")]
    for number, leaf in enumerate(leaves):
        pile = make_pile(tmp_path, limits, number)
        pile.add(leaves[:number])
        pile.add(leaves[number:])
        pile.add([leaf])

        assert pile.find_repeated() == leaf


@pytest.mark.parametrize("limits", LIMITS)
def test_the_same_leaf_many_times_is_found_at_once(tmp_path: Path, limits: tuple[int, int]):
    pile = make_pile(tmp_path, limits)
    pile.add([b"\7" * 32] * 100)

    assert pile.find_repeated() == b"\7" * 32


@settings(max_examples=30, deadline=None)
@given(leaves=st.lists(st.binary(min_size=1, max_size=2), unique=True), limits=st.sampled_from(LIMITS))
def test_nothing_is_left_on_disk_and_nothing_is_found(tmp_path_factory: pytest.TempPathFactory, leaves, limits):
    folder = tmp_path_factory.mktemp("pile")
    pile = LeafPile(folder, buffer_bytes_max=limits[0], file_bytes_max=limits[1])
    for leaf in leaves:
        pile.add([bytes([len(leaf)]) + leaf.ljust(31, b"\0")])

    assert pile.find_repeated() is None
    assert not [path for path in folder.rglob("*") if path.is_file()]
