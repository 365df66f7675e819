"""Reorganisations of every depth, what they cost, and what is kept for them."""

import contextlib
import itertools
import random
from collections.abc import Callable

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from chain.errors import NodeInconsistentError, NodeUnavailableError, ReorganisationTooDeepError, StaleEventError
from chain.follower import BLOCKS_KEPT, BlockEvent, advance, find_tip
from chain.forks import REORGANISATION_BLOCKS_MAX, find_fork
from chain.models import AllowedReorganisation, FollowedBlock
from chain.reorganisations import allow_reorganisation
from chain.transactions import parse_block
from tests.chain.books import CONSUMER, NOW, Book, followed, refuses
from tests.chain.doubles import GENESIS, NodeDouble, extend, fork, hash_of, serving
from tests.factories.registry import build_block

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("depth", [1, 6, 12, 100])
def test_a_reorganisation_is_undone_and_replayed(book: Book, depth: int):
    """Pass: exactly the blocks above the fork are undone from the highest down, and the branch's applied upwards; the
    branch's blocks are seen before the first is undone, and the fork is found with few calls."""
    chain = followed(book, extend([GENESIS], 150))
    double = NodeDouble(fork(chain, 150 - depth, depth + 1))
    with serving(double) as node:
        assert book.follow(node) == 2 * depth + 1
    expected = [("disconnected", height) for height in range(150, 150 - depth, -1)]
    expected += [("connected", height) for height in range(151 - depth, 152)]
    assert book.events[-len(expected) :] == expected
    assert double.calls["getblock"] == 2 * depth + 1
    assert double.calls["getblockhash"] <= 2 * depth + 20
    assert book.blocks == double.hashes
    book.check()


def test_a_deeper_reorganisation_is_refused_before_anything_is_undone_until_an_operator_allows_it(book: Book):
    """Pass: 101 blocks are refused with their fork named and nothing undone; allowed for this fork they are undone and
    replayed, however many calls that takes; then the permission has ended, and the way back needs another."""
    chain = followed(book, extend([GENESIS], 150))
    double = NodeDouble(fork(chain, 49, 102))
    with serving(double) as node:
        refuses(book, node, ReorganisationTooDeepError, f"{hash_of(chain[49])} at height 49, 101 blocks deep")
        assert double.calls["getblock"] == 0
        allow_reorganisation(node=node, consumer=CONSUMER, fork_height=49, fork_hash=hash_of(chain[49]), now=NOW)
        assert [book.follow(node, limit=60) for _ in range(4)] == [60, 60, 60, 23]
        assert book.blocks == double.hashes
        assert not AllowedReorganisation.objects.exists()
        double.chain = extend(chain, 5)
        refuses(book, node, ReorganisationTooDeepError, "102 blocks deep")
    book.check()


def test_a_permission_is_for_one_fork_only(book: Book):
    """Pass: what was allowed for one fork does not let a deeper one, or one elsewhere, through."""
    chain = followed(book, extend([GENESIS], 150))
    AllowedReorganisation.objects.create(
        consumer=CONSUMER, fork_height=49, fork_hash=hash_of(chain[49]), allowed_at=NOW
    )
    with serving(NodeDouble(fork(chain, 48, 103))) as node:
        refuses(book, node, ReorganisationTooDeepError, "height 48, 102 blocks deep")
    AllowedReorganisation.objects.update(consumer="another")
    with serving(NodeDouble(fork(chain, 49, 103))) as node:
        refuses(book, node, ReorganisationTooDeepError, "height 49, 101 blocks deep")


@pytest.mark.parametrize(("blocks", "is_undone"), [(100, True), (101, False)])
def test_another_chain_from_before_the_first_followed_block(
    book: Book, settings: Settings, blocks: int, is_undone: bool
):
    """Pass: up to 100 followed blocks are replaced by the other chain's from the same start height; more are refused,
    and cannot be allowed, for no fork is known."""
    settings.CADASTRE_CHAIN_START_HEIGHT = 10
    chain = extend([GENESIS], 9 + blocks)
    with serving(NodeDouble(chain)) as node:
        assert book.follow(node) == blocks
    double = NodeDouble(fork(chain, 4, 5 + blocks))
    with serving(double) as node:
        if is_undone:
            assert book.follow(node) == 2 * blocks
            assert book.blocks == double.hashes[10:]
        else:
            refuses(book, node, ReorganisationTooDeepError, "none of the last 101 blocks")
    book.check()


@pytest.mark.parametrize("fails_at", [("disconnected", 17), ("connected", 17), ("connected", 22)])
def test_a_crash_in_the_middle_of_a_reorganisation_is_gone_on_from(book: Book, fails_at: tuple[str, int]):
    """Pass: each event and its cursor are one transaction, so the next call goes on where the last whole event ended,
    and every block is undone once and applied once."""
    chain = followed(book, extend([GENESIS], 20))
    double = NodeDouble(fork(chain, 12, 12))
    with serving(double) as node:
        book.fails_at = fails_at
        with pytest.raises(RuntimeError):
            book.follow(node)
        book.check()
        book.fails_at = None
        book.follow(node)
    assert book.blocks == double.hashes
    assert len(book.events) == 21 + 8 + 12
    book.check()


def test_a_fork_that_another_worker_undoes_meanwhile_ends_the_look(book: Book):
    """Pass: blocks that vanish while the fork is looked for end the call without an error and without damage."""
    chain = followed(book, extend([GENESIS], 20))
    double = NodeDouble(fork(chain, 12, 12))

    def overtake(_: str) -> None:
        if double.calls["getblockhash"] == 3:
            FollowedBlock.objects.filter(height__gt=10).delete()
            connection.close()  # the node's thread has one of its own

    double.before = overtake
    with serving(double) as node:
        tip = find_tip(CONSUMER)
        assert tip is not None
        with pytest.raises(StaleEventError):
            find_fork(node=node, tip=tip)
        double.calls.clear()
        assert book.follow(node) == 14


# --- scale ---


def test_a_block_costs_two_calls_and_an_idle_look_three(book: Book):
    """Pass: 301 blocks are followed with 2 calls each and 2 more for the look, later ones with 3; an unchanged chain
    costs 3; a reorganisation of one block 6 more."""
    double = NodeDouble(extend([GENESIS], 300))
    with serving(double) as node:
        assert book.follow(node) == 301
        assert double.calls.total() == 2 * 301 + 2  # no cursor yet, so its hash is not asked for
        double.calls.clear()
        assert book.follow(node) == 0
        assert double.calls.total() == 3
        double.grow(50)
        double.calls.clear()
        assert book.follow(node) == 50
        assert double.calls.total() == 2 * 50 + 3
        double.chain = fork(double.chain, 349, 2)
        double.calls.clear()
        assert book.follow(node) == 3
        assert double.calls.total() == 2 * 2 + 3 + 6


def test_old_rows_are_removed_and_the_deepest_block_that_is_asked_for_is_kept(book: Book):
    """Pass: after many blocks about BLOCKS_KEPT rows are left, the lowest at most as high as the deepest recent block
    that a commitment may cite, and other consumers' rows are untouched."""
    rows = [
        FollowedBlock(consumer=name, height=height, hash=f"{height:064x}", previous_hash=f"{height - 1:064x}")
        for name in (CONSUMER, "another")
        for height in range(1, BLOCKS_KEPT + 1_000)
    ]
    FollowedBlock.objects.bulk_create(rows, batch_size=5_000)
    height = BLOCKS_KEPT + 1_000
    raw = build_block([], previous_hash=f"{height - 1:064x}", height=height, now=NOW)
    event = BlockEvent("connected", height, hash_of(raw), parse_block(raw))
    with transaction.atomic(durable=True):
        advance(consumer=CONSUMER, event=event)
    heights = FollowedBlock.objects.filter(consumer=CONSUMER).order_by("height").values_list("height", flat=True)
    assert (heights[0], heights.count()) == (1_001, BLOCKS_KEPT)
    assert FollowedBlock.objects.filter(consumer="another").count() == BLOCKS_KEPT + 999
    assert django_settings.CADASTRE_RECENT_BLOCK_DEPTH <= BLOCKS_KEPT
    assert REORGANISATION_BLOCKS_MAX <= BLOCKS_KEPT


@pytest.mark.parametrize("seed", range(6))
def test_any_history_of_a_node_ends_on_its_chain(book: Book, seed: int):
    """Pass: through forks, lower chains, downloads, changes in the middle of a look, short looks and crashes of the
    consumer, every state on the way is one linked chain with its effects, and the last is the node's chain."""
    draw = random.Random(seed)
    double = NodeDouble(followed(book, extend([GENESIS], 30)))
    with serving(double) as node:
        for turn in range(1, 25):
            tip = len(double.chain) - 1
            branch = fork(double.chain, draw.randint(max(0, tip - 40), tip), draw.randint(0, 45), branch=turn)
            double.members = {"initialblockdownload": True} if draw.random() < 0.15 else {}
            double.before = change_after(double, branch, calls=draw.choice([0, 1, 2, 3, 5, 8, 13, 40]))
            book.fails_at = (draw.choice(["connected", "disconnected"]), draw.randint(1, tip))
            with contextlib.suppress(NodeUnavailableError, NodeInconsistentError, RuntimeError):
                book.follow(node, limit=draw.choice([7, 2_000]))
            book.check()
            double.chain = branch
        double.before, double.members, book.fails_at = lambda _: None, {}, None
        double.chain = extend(double.chain, 60)  # so that it is as high as anything followed
        assert book.follow(node) > 0
    assert book.blocks == double.hashes
    assert [kind for kind, _ in book.events].count("disconnected") > 10


def change_after(double: NodeDouble, chain: list[bytes], *, calls: int) -> Callable[[str], None]:
    """Return a hook that lets a node change to another chain after so many calls."""
    left = itertools.count(calls, -1)

    def change(_: str) -> None:
        if next(left) == 0:
            double.chain = chain

    return change
