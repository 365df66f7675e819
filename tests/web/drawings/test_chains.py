"""The pictures of the chain of anchors."""

from itertools import pairwise

import pytest

from tests.web.drawings.readers import count_tone, find_words_outside, read_words
from web.drawings.chains import COLUMNS, LINK_WIDTH, Link, VersionLink, draw_anchor, draw_chain
from web.drawings.sheets import CHARACTER_WIDTH

TXID = "ab" * 32


def make_links(count: int, *, start: int = 0) -> list[Link]:
    """Return consecutive anchors; the last one waits for its block."""
    links = [Link(seq=start + place, state="FINAL", height=900_000 + place, txid=TXID) for place in range(count - 1)]
    return [*links, Link(seq=start + count - 1, state="BROADCAST", height=None, txid=TXID)]


def make_version(number: int, *, is_current: bool = False) -> VersionLink:
    return VersionLink(version=number, txid=TXID, fee_sat=1_000, fate="replaced", is_current=is_current)


def test_the_chain_starts_at_the_first_output():
    drawing = draw_chain(make_links(3), has_more=False)

    assert read_words(drawing) == ["first", "output", "0", "900,000", "1", "900,001", "2", "sent"]
    assert count_tone(drawing, "link-final") == 2
    assert count_tone(drawing, "link-waiting") == 1
    assert drawing.description.startswith("The register's first output; then batch 0, FINAL in block 900,000;")


def test_a_later_page_starts_at_the_anchor_before_it():
    drawing = draw_chain(make_links(2, start=48), has_more=True)

    assert read_words(drawing)[:3] == ["batch", "47", "48"]
    assert read_words(drawing)[-2:] == ["more", ""]


def test_an_empty_chain_has_its_first_output_alone():
    drawing = draw_chain([], has_more=False)

    assert read_words(drawing) == ["first", "output"]
    assert drawing.description.endswith("no anchor yet.")


def test_neighbours_stay_beside_each_other_where_a_row_turns():
    drawing = draw_chain(make_links(3 * COLUMNS), has_more=False)

    boxes = [dict(shape.attributes) for shape in drawing.shapes if shape.kind == "rect"]
    for before, after in pairwise(boxes):
        across = abs(int(before["x"]) - int(after["x"]))
        down = abs(int(before["y"]) - int(after["y"]))
        assert sorted((bool(across), bool(down))) == [False, True]


@pytest.mark.parametrize("count", [1, 4, 5, 24])
def test_nothing_sticks_out_of_the_sheet(count: int):
    assert find_words_outside(draw_chain(make_links(count, start=123_456), has_more=True)) == []


def test_words_fit_into_their_links():
    drawing = draw_chain(make_links(24, start=9_999_970), has_more=True)

    words = [shape.text for shape in drawing.shapes if shape.kind == "text"]
    assert max(len(word) for word in words) * CHARACTER_WIDTH <= LINK_WIDTH + CHARACTER_WIDTH


def test_an_anchor_stands_between_what_it_spends_and_what_spends_it():
    before, link, after = make_links(3, start=7)

    drawing = draw_anchor(
        link=link, before=before, after=after, versions=[make_version(0, is_current=True)], first_outpoint=f"{TXID}:0"
    )

    words = read_words(drawing)
    assert words.index("Batch 7") < words.index("Version 0") < words.index("Batch 9")
    assert find_words_outside(drawing) == []


def test_the_first_anchor_spends_the_first_outpoint_and_the_last_is_not_spent():
    drawing = draw_anchor(
        link=make_links(1)[0], before=None, after=None, versions=[make_version(0, is_current=True)], first_outpoint=TXID
    )

    assert "First outpoint" in read_words(drawing)
    assert "will spend output 0" in read_words(drawing)
    assert drawing.description.endswith("Nothing spends it yet.")


@pytest.mark.parametrize(("current", "shown"), [(5, [3, 4, 5]), (1, [1, 4, 5])])
def test_of_many_versions_the_last_are_drawn_and_always_the_one_that_counts(current: int, shown: list[int]):
    versions = [make_version(number, is_current=number == current) for number in range(6)]

    drawing = draw_anchor(link=make_links(1)[0], before=None, after=None, versions=versions, first_outpoint=TXID)

    assert [word for word in read_words(drawing) if word.startswith("Version")] == [f"Version {n}" for n in shown]
    assert count_tone(drawing, "stage-now") == 1
    assert find_words_outside(drawing) == []
