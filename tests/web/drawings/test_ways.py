"""The picture of a way into Bitcoin says how far it has come, hash by hash."""

import pytest

from registry.models import Anchor, Batch, Record
from registry.proof.hashes import sha256
from registry.selectors.records import Place
from tests.factories.registry import make_anchor, make_document_record, make_sealed_batch
from tests.factories.users import NOW
from tests.web.drawings.readers import count_tone, find_words_outside, read_words
from web.drawings.ways import draw_way
from web.selectors.records import get_batch_view, get_record_view

pytestmark = pytest.mark.django_db


def draw(record: Record):
    """Return the picture of a record's page."""
    return get_record_view(record.id, now=NOW).picture


def test_a_waiting_record_has_everything_before_it():
    drawing = draw(make_document_record())

    assert read_words(drawing)[0] == "Leaf"
    assert count_tone(drawing, "stage") == 1
    assert count_tone(drawing, "stage-pending") == 4
    assert "waits for a batch" in drawing.description


def test_a_sealed_record_waits_for_its_transaction_and_block():
    record = make_document_record()
    make_sealed_batch()

    drawing = draw(record)

    assert count_tone(drawing, "stage") == 3
    assert count_tone(drawing, "stage-pending") == 2
    assert "It waits for a Bitcoin transaction and a block." in drawing.description


def test_a_sent_anchor_waits_for_its_block():
    record = make_document_record()
    make_anchor(state=Anchor.State.BROADCAST)

    drawing = draw(record)

    assert count_tone(drawing, "stage") == 4
    assert "BROADCAST" in read_words(drawing)
    assert drawing.description.endswith("It waits for a block.")


def test_each_neighbour_comes_in_from_its_side_and_the_result_stands_on_the_other():
    records = [make_document_record() for _ in range(4)]
    make_sealed_batch()

    drawing = draw(records[1])

    leaves = [bytes(record.leaf) for record in records]
    pair, other = sha256(leaves[0] + leaves[1]), sha256(leaves[2] + leaves[3])
    places = {shape.text: dict(shape.attributes) for shape in drawing.shapes if shape.kind == "text"}
    assert int(places[f"{leaves[0].hex()[:8]}…"]["x"]) < drawing.width // 2
    assert int(places[f"{pair.hex()[:8]}…"]["x"]) > drawing.width // 2
    assert int(places[f"{other.hex()[:8]}…"]["x"]) > drawing.width // 2
    assert count_tone(drawing, "joint") == 2


@pytest.mark.parametrize(
    ("state", "words", "confirmed"),
    [(Anchor.State.MINED, "1 confirmation of 6", 1), (Anchor.State.FINAL, "6 confirmations, final", 6)],
)
def test_confirmations_fill_their_squares(state: Anchor.State, words: str, confirmed: int):
    record = make_document_record()
    make_anchor(state=state)

    drawing = draw(record)

    assert words in read_words(drawing)
    assert count_tone(drawing, "confirmed") == confirmed
    assert count_tone(drawing, "unconfirmed") == 6 - confirmed


def test_a_batch_is_drawn_from_its_root_on():
    make_anchor()

    drawing = get_batch_view(0, outpoint="", from_index=None).picture

    assert drawing.title == "The batch's way into Bitcoin"
    assert "Leaf" not in read_words(drawing)


def test_nothing_sticks_out_of_the_sheet_even_in_a_large_old_register():
    """Numbers with all their digits, and a path of a batch of a million."""
    record = make_document_record()
    anchor = make_anchor(state=Anchor.State.FINAL)
    view = get_batch_view(0, outpoint="", from_index=None).anchor
    batch = Batch.objects.get(id=anchor.batch_id)
    batch.seq, batch.first_index, batch.size = 1_234_567, 123_456_789_012, 1_000_000
    place = Place(batch=batch, index=batch.first_index + 765_432)

    drawing = draw_way(
        record=record,
        place=place,
        path=[bytes([level]) * 32 for level in range(20)],
        batch=batch,
        anchor=view,
        confirmations_final=6,
    )

    assert find_words_outside(drawing) == []
    assert count_tone(drawing, "joint") >= 20


def test_a_long_wait_for_final_is_told_in_words_alone():
    record = make_document_record()
    make_anchor()
    view = get_batch_view(0, outpoint="", from_index=None)

    drawing = draw_way(
        record=record, path=None, place=None, batch=view.batch, anchor=view.anchor, confirmations_final=100
    )

    assert count_tone(drawing, "unconfirmed") == 0
    assert "1 confirmation of 100" in read_words(drawing)
