"""Looking at what is uploaded, and the lengths that padding leaves."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import EmptySourceError, SourceError
from client.folders import find_source, get_padded_length


def test_a_folder_is_listed_in_the_order_of_names(tmp_path: Path):
    for name in ("b", "a/z", "a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    names = [entry.name for entry in find_source(tmp_path).files]
    assert names == [f"{tmp_path.name}/{name}" for name in ("a.txt", "a/z", "b")]


def test_refuses_a_symbolic_link_in_a_folder(tmp_path: Path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(SourceError, match="symbolic link"):
        find_source(tmp_path)


def test_refuses_a_folder_without_a_byte(tmp_path: Path):
    (tmp_path / "empty").touch()
    with pytest.raises(EmptySourceError):
        find_source(tmp_path)


def test_refuses_a_name_that_a_manifest_cannot_hold(tmp_path: Path):
    (tmp_path / "a\nb").write_text("a")
    with pytest.raises(SourceError):
        find_source(tmp_path / "a\nb")


@pytest.mark.parametrize(("length", "padded"), [(1, 1), (8, 8), (9, 10), (100, 104), (1000, 1024), (10**6, 1015808)])
def test_pads_to_the_lengths_of_the_paper(length: int, padded: int):
    assert get_padded_length(length) == padded


@given(st.integers(min_value=1, max_value=2**50))
def test_padding_costs_at_most_twelve_percent_and_is_stable(length: int):
    padded = get_padded_length(length)
    assert length <= padded <= length * 112 // 100 + 1
    assert get_padded_length(padded) == padded
