"""Nodes that fail, lie or are exchanged: each test says what must hold for it to pass.

In all of them the followed blocks must be one linked chain afterwards, and the effects must be those of exactly these
blocks: `Book` applies and undoes like a consumer, and refuses anything out of order.
"""

import contextlib
import itertools
import time
from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from chain.errors import (
    BlockPrunedError,
    NetworkError,
    NodeBehindError,
    NodeChainMovedError,
    NodeInconsistentError,
    NodeUnavailableError,
)
from chain.models import FollowerState
from tests.chain.books import NOW, Book, followed, refuses
from tests.chain.doubles import GENESIS, NodeDouble, extend, fork, hash_of, serving
from tests.factories.registry import build_block

pytestmark = pytest.mark.django_db(transaction=True)


# --- down, slow ---


def test_a_node_that_was_down_is_followed_from_the_last_block_that_was_applied(book: Book):
    """Pass: nothing is skipped that was mined while the node was down, nothing applied twice, and the outage is noted
    with its beginning until it is over."""
    chain = followed(book, extend([GENESIS], 5))
    with serving(NodeDouble(chain)) as node:
        pass
    refuses(book, node, NodeUnavailableError, "refused|dropped")
    with pytest.raises(NodeUnavailableError):
        book.follow(node, now=NOW + timedelta(hours=1))
    assert FollowerState.objects.get().failing_since == NOW
    with serving(NodeDouble(extend(chain, 4))) as node:
        assert book.follow(node, now=NOW + timedelta(hours=2)) == 4
    state = FollowerState.objects.get()
    assert (state.problem, state.failing_since, state.followed_at) == ("", None, NOW + timedelta(hours=2))
    assert book.events[-4:] == [("connected", height) for height in range(6, 10)]
    book.check()


@pytest.mark.parametrize("method", ["getblockhash", "getblock"])
def test_a_reply_that_comes_too_late_ends_the_call(book: Book, method: str):
    """Pass: the call ends within its time-out though the node would take four times as long; the cursor stays on the
    last whole block; the node is followed on once it is quick again."""
    chain = followed(book, extend([GENESIS], 3))
    double = NodeDouble(extend(chain, 3))
    double.before = lambda called: time.sleep(2 if called == method else 0)
    with serving(double, timeout_s=0.5) as node:
        begun = time.monotonic()
        refuses(book, node, NodeUnavailableError, "does not answer")
        assert time.monotonic() - begun < 1.5
        double.before = lambda _: None
        assert book.follow(node) == 3
    book.check()


def test_a_reply_that_trickles_ends_the_call(book: Book):
    """Pass: a node that sends a byte every 50 ms, each in time, does not keep the call beyond its time-out."""
    double = NodeDouble(extend([GENESIS], 1))
    double.byte_delay_s = 0.05
    with serving(double, timeout_s=0.5) as node:
        begun = time.monotonic()
        refuses(book, node, NodeUnavailableError, "timed out")
        assert time.monotonic() - begun < 1.5


def test_a_reply_that_breaks_off_is_not_taken_for_a_block(book: Book):
    """Pass: the cut reply is an outage, and the block is applied once it comes whole."""
    chain = followed(book, extend([GENESIS], 2))
    double = NodeDouble(extend(chain, 1))

    def cut(called: str) -> None:
        double.bytes_sent_max = 100 if called == "getblock" else None

    double.before = cut
    with serving(double) as node:
        refuses(book, node, NodeUnavailableError, "IncompleteRead")
        double.before, double.bytes_sent_max = lambda _: None, None
        assert book.follow(node) == 1


# --- lying ---


def test_a_tip_that_the_node_does_not_have_is_not_followed(book: Book):
    """Pass: the blocks that exist are applied, the claimed one is an error that names its height, nothing is undone."""
    chain = followed(book, extend([GENESIS], 3))
    double = NodeDouble(extend(chain, 1))
    real = double.getblockhash
    double.answers["getblockhash"] = lambda height: "ab" * 32 if height == 5 else real(height)
    double.members = {"blocks": 5, "headers": 5, "bestblockhash": "ab" * 32}
    with serving(double) as node, pytest.raises(NodeInconsistentError, match="abab at height 5, but does not have it"):
        book.follow(node)
    assert len(book.blocks) == 5
    book.check()


@pytest.mark.parametrize("claimed", [6, 1_000_000])
def test_another_tip_that_the_node_does_not_have_undoes_nothing(book: Book, claimed: int):
    """Pass: a node that names another block at the followed height, and a height above it, undoes nothing without the
    blocks that would take the followed ones' place."""
    chain = followed(book, extend([GENESIS], 5))
    double = NodeDouble(chain)
    real = double.getblockhash
    double.answers["getblockhash"] = lambda height: "ab" * 32 if height >= 4 else real(height)
    double.members = {"blocks": claimed, "headers": claimed}
    with serving(double) as node:
        refuses(book, node, NodeInconsistentError, "height 4, but does not have it")


def test_a_height_that_the_node_does_not_have_undoes_nothing(book: Book):
    """Pass: a lower node on a branch of its own that claims to be higher undoes nothing: it cannot name the blocks."""
    followed(book, extend([GENESIS], 5))
    double = NodeDouble(fork(extend([GENESIS], 5), 2, 1))
    double.members = {"blocks": 9, "headers": 9}
    with serving(double) as node:
        refuses(book, node, NodeInconsistentError, "at height 9, but names no block at height 4")


def test_a_block_that_was_not_asked_for_is_refused(book: Book):
    """Pass: another block than the one with the asked hash is an error that names both, and is not applied."""
    chain = followed(book, extend([GENESIS], 2))
    double = NodeDouble(extend(chain, 2))
    other = fork(chain, 2, 1)[3]
    double.answers["getblock"] = lambda *_: other.hex()
    with serving(double) as node:
        refuses(book, node, NodeInconsistentError, f"{double.hashes[3]} and answered with {hash_of(other)}")


def test_a_header_that_was_not_asked_for_is_refused():
    """Pass: the client raises where the header's hash, or the hash that it is described with, is another one."""
    double = NodeDouble(extend([GENESIS], 2))
    real = double.getblockheader
    with serving(double) as node:
        double.answers["getblockheader"] = lambda _, described: real(double.hashes[1], described)
        with pytest.raises(NodeInconsistentError):
            node.get_raw_header(double.hashes[2])
        double.answers["getblockheader"] = lambda _, described: real(double.hashes[1 if described else 2], described)
        with pytest.raises(NodeInconsistentError, match="described"):
            node.get_block_header(double.hashes[2])


def test_transactions_that_the_header_does_not_commit_to_are_refused(book: Book):
    """Pass: neither another transaction under the right header, nor one that is there twice (which has the same Merkle
    root, CVE-2012-2459), nor a block that cannot be read, is applied."""
    chain = followed(book, extend([GENESIS], 2))
    double = NodeDouble(extend(chain, 1))
    raw, foreign = double.chain[3], fork(chain, 1, 1)[2]
    assert raw[80] == 1  # one transaction
    wrong = [raw[:80] + foreign[80:], raw[:80] + b"\x02" + raw[81:] * 2, raw[:90]]
    with serving(double) as node:
        for answer in wrong:
            double.answers["getblock"] = lambda *_, answer=answer: answer.hex()
            refuses(book, node, NodeInconsistentError, double.hashes[3])


def test_a_block_that_does_not_link_to_the_one_below_is_refused(book: Book):
    """Pass: a block which exists but whose predecessor is not the block that the node itself names one lower is an
    error, not a silent wait."""
    chain = followed(book, extend([GENESIS], 3))
    double = NodeDouble(extend(chain, 1))
    stray = build_block([], previous_hash="cd" * 32, height=4, now=NOW)
    double.hashes[4], double.blocks[hash_of(stray)] = hash_of(stray), stray
    with serving(double) as node:
        refuses(book, node, NodeInconsistentError, "height 4 is not on")


def test_a_branch_that_does_not_link_undoes_nothing(book: Book):
    """Pass: blocks that exist, but do not build on the fork or on each other, do not take the followed ones' place."""
    chain = followed(book, extend([GENESIS], 6))
    branch = fork(chain, 3, 4)
    stray = fork(chain, 2, 4, branch=2)
    for height in (4, 5):
        double = NodeDouble(branch)
        double.blocks[hash_of(stray[height])] = stray[height]
        double.hashes[height] = hash_of(stray[height])
        with serving(double) as node:
            refuses(book, node, NodeInconsistentError, f"height {height} is not on")


def test_a_chain_that_changes_between_two_calls_is_seen_whole_by_the_next_look(book: Book):
    """Pass: a reorganisation while blocks are fetched is no error and loses nothing."""
    chain = followed(book, extend([GENESIS], 3))
    double = NodeDouble(extend(chain, 3))
    branch = fork(double.chain, 3, 5)

    def reorganise(_: str) -> None:
        if double.calls["getblock"] == 2:
            double.before = lambda _: None
            double.chain = branch

    double.before = reorganise
    with serving(double) as node:
        assert book.follow(node) == 2
        assert book.events[-2:] == [("connected", 4), ("connected", 5)]
        assert book.follow(node) == 7
    assert book.blocks == double.hashes
    book.check()


@pytest.mark.parametrize("asked", [1, 2])
@pytest.mark.parametrize(("height", "count"), [(1, 8), (1, 2), (4, 1)])
def test_a_second_reorganisation_while_the_first_is_checked_needs_nobody(
    book: Book, height: int, count: int, asked: int
):
    """Pass: a branch that is left while its blocks are fetched, for a deeper, a lower or a shorter one, undoes nothing
    and is no contradiction; the next look sees the chain whole."""
    chain = followed(book, extend([GENESIS], 6))
    double = NodeDouble(fork(chain, 3, 4))
    branch = fork(double.chain, height, count, branch=2)

    def reorganise(_: str) -> None:
        if double.calls["getblock"] == asked:
            double.before = lambda _: None
            double.chain = branch

    double.before = reorganise
    with serving(double) as node:
        refuses(book, node, NodeChainMovedError, "next look sees it whole")
        double.chain = extend(branch, 6)
        assert book.follow(node) > 0
    assert book.blocks == double.hashes
    book.check()


@pytest.mark.parametrize("period", [1, 2, 3, 5, 7])
def test_a_node_that_goes_back_and_forth_does_no_damage(book: Book, period: int):
    """Pass: whatever the rhythm in which a node changes between two chains, every state on the way is one linked chain
    with its effects, and once it stands still the followed chain is its chain."""
    chain = followed(book, extend([GENESIS], 8))
    branches = [extend(chain, 1), fork(chain, 4, 6)]
    double = NodeDouble(branches[0])
    asked = itertools.count()

    def swap(_: str) -> None:
        double.chain = branches[next(asked) // period % 2]

    double.before = swap
    with serving(double) as node:
        for _ in range(25):
            with contextlib.suppress(NodeInconsistentError, NodeUnavailableError):
                book.follow(node)
            book.check()
        double.before = lambda _: None
        book.follow(node)
    assert book.blocks == double.hashes
    book.check()


# --- another network, initial download, pruned ---


def test_a_node_of_another_network_is_refused(book: Book, settings: Settings):
    """Pass: the error names the network and the genesis block found, needs an operator, and nothing is undone."""
    chain = followed(book, extend([GENESIS], 3))
    foreign = extend([build_block([], previous_hash="00" * 32, height=0, now=NOW)], 9)
    with serving(NodeDouble(foreign)) as node:
        refuses(book, node, NetworkError, f"regtest, but the node's genesis block is {hash_of(foreign[0])}")
    with serving(NodeDouble(extend(chain, 1))) as node:
        assert book.follow(node) == 1


def test_a_node_in_its_initial_download_is_followed_forwards_and_undoes_nothing(book: Book):
    """Pass: on the followed chain its blocks are applied as they come; on another branch, even a higher one, nothing is
    undone until it says that it is done."""
    chain = followed(book, extend([GENESIS], 5))
    double = NodeDouble(chain[:3])
    double.members = {"initialblockdownload": True, "headers": 900}
    with serving(double) as node:
        refuses(book, node, NodeBehindError, "height 2, behind")
        double.chain = extend(chain, 2)
        assert book.follow(node) == 2
        double.chain = fork(chain, 3, 9)
        refuses(book, node, NodeBehindError, "height 12, behind")
        double.members = {}
        assert book.follow(node) == 4 + 9
    assert book.blocks == double.hashes


def test_a_node_that_does_not_say_whether_it_is_downloading_is_not_believed_below_the_cursor(book: Book):
    """Pass: without `initialblockdownload` a lower chain undoes nothing, a chain of the followed height does."""
    chain = followed(book, extend([GENESIS], 5))
    double = NodeDouble(chain)
    double.chain = fork(chain, 3, 1)
    double.members = {"initialblockdownload": None}
    with serving(double) as node:
        refuses(book, node, NodeBehindError, "height 4, behind")
        double.chain = fork(chain, 3, 2)
        assert book.follow(node) == 4
    assert book.blocks == double.hashes


@pytest.mark.parametrize("is_core", [True, False])
def test_a_pruned_block_is_an_error_and_not_skipped(book: Book, is_core: bool):
    """Pass: the error names the height, the block is not skipped though later ones are there, and a node that has it
    is followed on from the same height."""
    chain = followed(book, extend([GENESIS], 3))
    double = NodeDouble(extend(chain, 6))
    double.prune_height = 7
    if not is_core:  # btcd says -5, and not from where on it has blocks
        double.missing = set(double.hashes[4:7])
        double.members = {"pruneheight": None}
    rest = "; the lowest block that it has is at height 7" if is_core else ""
    with serving(double) as node:
        refuses(book, node, BlockPrunedError, f"at height 4, which is needed{rest}$")
    with serving(NodeDouble(double.chain)) as node:
        assert book.follow(node) == 6
    assert book.events[-6:] == [("connected", height) for height in range(4, 10)]


def test_a_pruned_branch_undoes_nothing(book: Book):
    """Pass: a reorganisation whose new blocks the node has pruned is an error before anything is undone."""
    chain = followed(book, extend([GENESIS], 5))
    double = NodeDouble(fork(chain, 2, 9))
    double.prune_height = 4
    with serving(double) as node:
        refuses(book, node, BlockPrunedError, "height 3")


# --- swapped ---


def test_a_node_that_is_swapped_for_one_with_another_tip_is_followed(book: Book):
    """Pass: the other node, which never saw the followed branch, undoes nothing while it is lower, and exactly the
    blocks above the fork once it is as high."""
    chain = followed(book, extend([GENESIS], 9))
    double = NodeDouble(fork(chain, 6, 2))
    with serving(double) as node:
        refuses(book, node, NodeBehindError, "at height 8, behind")
        double.grow(1)
        assert book.follow(node) == 3 + 3
    assert book.events[-6:] == [
        *(("disconnected", height) for height in (9, 8, 7)),
        *(("connected", height) for height in (7, 8, 9)),
    ]
    book.check()
