"""Two workers that follow the chain for one consumer at the same time."""

import threading

import pytest
from django.db import transaction

from chain.errors import FollowedChainBrokenError, StaleEventError
from chain.follower import BlockEvent, advance
from chain.models import FollowedBlock, FollowerState
from chain.transactions import parse_block
from tests.chain.books import CONSUMER, Book, followed
from tests.chain.doubles import GENESIS, NodeDouble, extend, fork, serving
from tests.threads import run_together

pytestmark = pytest.mark.django_db(transaction=True)
OVERLAP_SECONDS = 1
"""So long the first worker waits before it commits; one that does not wait for it needs some milliseconds."""


def make_events(chain: list[bytes]) -> tuple[BlockEvent, BlockEvent]:
    """Return that the last block of a chain leaves, and that one joins on it: both begin at the same cursor."""
    higher = parse_block(extend(chain, 1)[-1], height=len(chain))
    tip = parse_block(chain[-1], height=len(chain) - 1)
    return (
        BlockEvent("disconnected", tip.height, tip.hash, None),
        BlockEvent("connected", higher.height, higher.hash, higher),
    )


@pytest.mark.parametrize("first", [0, 1])
def test_a_block_that_leaves_and_one_that_joins_on_it_do_not_both_count(book: Book, first: int):
    """Passes if, of two workers of which one undoes the tip and the other connects a block on it, the one that comes
    second waits for the first one's end and is refused, in either order: otherwise the followed blocks had a hole."""
    chain = followed(book, extend([GENESIS], 3))
    events = make_events(chain)
    has_advanced, has_ended = threading.Event(), threading.Event()

    def come_first() -> None:
        with transaction.atomic(durable=True):
            advance(consumer=CONSUMER, event=events[first])
            has_advanced.set()
            has_ended.wait(OVERLAP_SECONDS)

    def come_second() -> None:
        has_advanced.wait()
        with transaction.atomic(durable=True):
            advance(consumer=CONSUMER, event=events[1 - first])
        has_ended.set()

    errors = run_together([come_first, come_second])

    assert [type(error) for error in errors] == [StaleEventError]
    heights = list(FollowedBlock.objects.filter(consumer=CONSUMER).order_by("height").values_list("height", flat=True))
    assert heights == list(range(len(chain) + (1 if first else -1)))


def test_two_workers_that_begin_a_consumer_apply_its_first_block_once():
    """Passes if the row that is locked may be made by either of two workers, and one of them is refused."""
    block = parse_block(GENESIS, height=0)
    event = BlockEvent("connected", 0, block.hash, block)

    def begin() -> None:
        with transaction.atomic(durable=True):
            advance(consumer=CONSUMER, event=event)

    errors = run_together([begin, begin])

    assert [type(error) for error in errors] == [StaleEventError]
    assert (FollowedBlock.objects.count(), FollowerState.objects.count()) == (1, 1)


@pytest.mark.parametrize("change", [{"height": 3}, {"height": 2}])
def test_a_hole_in_the_followed_blocks_is_an_operators(book: Book, change: dict[str, int]):
    """Passes if a missing row is named as what keeps the consumer from following, where it looked like another
    worker's progress; nothing is undone."""
    chain = followed(book, extend([GENESIS], 4))
    FollowedBlock.objects.filter(**change).delete()
    with serving(NodeDouble(fork(chain, 2, 4))) as node, pytest.raises(FollowedChainBrokenError, match="heights"):
        book.follow(node)
    state = FollowerState.objects.get(consumer=CONSUMER)
    assert (state.problem, state.needs_operator) == ("FollowedChainBrokenError", True)
    assert FollowedBlock.objects.filter(consumer=CONSUMER).count() == 4


def test_a_block_that_does_not_link_to_the_one_below_it_is_an_operators(book: Book):
    chain = followed(book, extend([GENESIS], 4))
    FollowedBlock.objects.filter(height=3).update(previous_hash="ab" * 32)
    node_double = NodeDouble(fork(chain, 3, 4))
    with serving(node_double) as node, pytest.raises(FollowedChainBrokenError, match="heights 2 and 3"):
        book.follow(node)
    assert book.events == [("connected", height) for height in range(5)]
