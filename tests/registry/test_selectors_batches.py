"""How long the oldest record has waited for its block."""

from datetime import timedelta

import pytest

from registry.models import Anchor
from registry.selectors.batches import get_oldest_unanchored_at
from tests.factories.registry import make_anchor, make_document_record, make_sealed_batch, mine_block
from tests.factories.users import NOW

pytestmark = pytest.mark.django_db


def undo(anchor: Anchor) -> None:
    """Let an anchor's block leave the chain."""
    Anchor.objects.filter(id=anchor.id).update(state=Anchor.State.BROADCAST, height=None, block_hash="")


def test_nothing_waits_in_an_empty_register():
    assert get_oldest_unanchored_at() is None


def test_a_record_without_a_batch_waits():
    make_document_record(now=NOW)
    make_document_record(now=NOW + timedelta(seconds=5))

    assert get_oldest_unanchored_at() == NOW


def test_a_sealed_record_waits_until_its_anchor_is_in_a_block():
    make_document_record(now=NOW)
    make_sealed_batch(now=NOW + timedelta(minutes=1))
    assert get_oldest_unanchored_at() == NOW

    anchor = make_anchor(state=Anchor.State.BROADCAST)
    assert get_oldest_unanchored_at() == NOW

    assert anchor.current is not None
    mine_block([bytes(anchor.current.raw)])
    assert get_oldest_unanchored_at() is None


def test_of_several_batches_that_lost_their_blocks_the_oldest_record_counts():
    """A record may get its place later than one that was registered after it."""
    anchors = []
    for seconds in (50, 40, 60):
        make_document_record(now=NOW + timedelta(seconds=seconds))
        anchors.append(make_anchor())
    make_document_record(now=NOW + timedelta(seconds=70))
    for anchor in anchors:
        undo(anchor)

    assert get_oldest_unanchored_at() == NOW + timedelta(seconds=40)
