"""The block follower: every block connected once, every reorganisation undone and redone in order."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from chain import follower
from chain.errors import BlockNotFollowedError, NetworkError, NodeBehindError, StaleEventError
from chain.follower import BlockEvent, advance, find_tip, next_event
from chain.models import FollowedBlock
from chain.node import NodeClient
from chain.selectors import get_block_hash_at
from chain.transports import HttpTransport
from database.transactions import TransactionRequiredError
from tests.nodes import DevnodeProcess, MiningWallet, running_devnode

pytestmark = pytest.mark.django_db(transaction=True)
CONSUMER = "tests"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class CatchingUpTransport(HttpTransport):
    """A node's connection on which some members of getblockchaininfo are those of a node that is catching up."""

    def __init__(
        self, url: str, *, members: dict[str, object] | None = None, before: Callable[[], object] = lambda: None
    ) -> None:
        super().__init__(url)
        self.members = members or {}
        self.before = before
        self.methods: list[str] = []

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Pass a call on, and change what comes back."""
        method = json.loads(body)["method"]
        self.methods.append(method)
        if method != "getblockchaininfo":
            return super().exchange(body, is_repeatable=is_repeatable)
        self.before()
        reply = json.loads(super().exchange(body, is_repeatable=is_repeatable))
        reply["result"] |= self.members
        return json.dumps(reply).encode()


def tip_of(consumer: str) -> FollowedBlock:
    """Return a cursor that must be there."""
    tip = find_tip(consumer)
    assert tip is not None
    return tip


def see_event(node: NodeClient, consumer: str) -> BlockEvent:
    """Return an event that must be there."""
    event = next_event(node=node, consumer=consumer, start_height=1)
    assert event is not None
    return event


def follow(node: NodeClient, start_height: int = 0, consumer: str = CONSUMER):
    """Apply every event that is due and return them as (kind, height)."""
    seen = []
    while (event := next_event(node=node, consumer=consumer, start_height=start_height)) is not None:
        with transaction.atomic(durable=True):
            advance(consumer=consumer, event=event)
        seen.append((event.kind, event.height))
    return seen


def test_connects_every_block_from_the_start_height(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine(3)
    assert follow(devnode.client, start_height=2) == [("connected", 2), ("connected", 3)]
    assert follow(devnode.client, start_height=2) == []
    wallet.mine()
    assert follow(devnode.client) == [("connected", 4)]
    assert tip_of(CONSUMER).hash == devnode.client.get_best_block_hash()


def test_waits_for_a_start_height_in_the_future(devnode: DevnodeProcess, wallet: MiningWallet):
    assert follow(devnode.client, start_height=1) == []
    wallet.mine()
    assert follow(devnode.client, start_height=1) == [("connected", 1)]


@pytest.mark.parametrize("depth", [1, 3, 40])
def test_undoes_and_redoes_a_reorganisation(devnode: DevnodeProcess, wallet: MiningWallet, depth: int):
    hashes = wallet.mine(depth + 2)
    follow(devnode.client)
    devnode.client.invalidate_block(hashes[2])
    wallet.mine(depth + 1)
    top = depth + 2
    expected = [("disconnected", height) for height in range(top, 2, -1)]
    expected += [("connected", height) for height in range(3, top + 2)]
    assert follow(devnode.client) == expected
    for row in FollowedBlock.objects.filter(consumer=CONSUMER):
        assert row.hash == devnode.client.get_block_hash(row.height)


def test_a_chain_that_is_lower_than_the_followed_one_is_a_reorganisation_too(
    devnode: DevnodeProcess, wallet: MiningWallet
):
    hashes = wallet.mine(5)
    follow(devnode.client)
    devnode.client.invalidate_block(hashes[2])
    wallet.mine()
    assert follow(devnode.client) == [("disconnected", 5), ("disconnected", 4), ("disconnected", 3), ("connected", 3)]
    assert tip_of(CONSUMER).hash == devnode.client.get_best_block_hash()


def test_a_node_whose_chain_is_the_beginning_of_the_followed_one_undoes_nothing(
    devnode: DevnodeProcess, wallet: MiningWallet
):
    hashes = wallet.mine(5)
    follow(devnode.client)
    devnode.client.invalidate_block(hashes[2])  # known by its header, and off the chain: as while Core reindexes
    assert devnode.client.get_block_header(hashes[4]).confirmations == -1
    with pytest.raises(NodeBehindError, match="height 2"):
        follow(devnode.client)
    devnode.client.reconsider_block(hashes[2])
    assert follow(devnode.client) == []
    assert tip_of(CONSUMER).hash == hashes[4]


def test_a_node_below_the_first_followed_block_undoes_nothing(devnode: DevnodeProcess, wallet: MiningWallet):
    hashes = wallet.mine(3)
    follow(devnode.client, start_height=2)
    devnode.client.invalidate_block(hashes[0])
    wallet.mine()
    with pytest.raises(NodeBehindError, match="height 1"):
        follow(devnode.client, start_height=2)
    wallet.mine()
    assert follow(devnode.client, start_height=2) == [("disconnected", 3), ("disconnected", 2), ("connected", 2)]


@pytest.mark.parametrize("members", [{"initialblockdownload": True}, {"headers": 5}])
def test_a_node_that_stands_on_an_abandoned_block_while_it_catches_up_undoes_nothing(
    devnode: DevnodeProcess, wallet: MiningWallet, members: dict[str, object]
):
    hashes = wallet.mine(5)
    follow(devnode.client)
    devnode.client.invalidate_block(hashes[2])
    wallet.mine()
    transport = CatchingUpTransport(devnode.url, members=members)
    with pytest.raises(NodeBehindError, match="height 3"):
        follow(NodeClient(devnode.url, transport=transport))
    assert tip_of(CONSUMER).hash == hashes[4]


def test_a_node_that_reaches_the_cursor_while_it_is_asked_undoes_nothing(devnode: DevnodeProcess, wallet: MiningWallet):
    hashes = wallet.mine(5)
    follow(devnode.client)
    devnode.client.invalidate_block(hashes[2])
    transport = CatchingUpTransport(devnode.url, before=lambda: devnode.client.reconsider_block(hashes[2]))
    node = NodeClient(devnode.url, transport=transport)
    with pytest.raises(NodeBehindError, match="height 5"):
        follow(node)
    asked = transport.methods.count("getblockchaininfo")
    assert follow(node) == []
    assert (asked, transport.methods.count("getblockchaininfo")) == (1, 1)  # not asked while the cursor is on the chain


def test_follows_a_node_that_never_saw_the_old_branch(devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path):
    wallet.mine(2)
    follow(devnode.client)
    with running_devnode(tmp_path / "other") as other:
        MiningWallet(other.client).mine(3)
        assert follow(other.client) == [
            ("disconnected", 2),
            ("disconnected", 1),
            ("connected", 1),
            ("connected", 2),
            ("connected", 3),
        ]


@pytest.mark.parametrize("height", [0, 1])
def test_a_node_that_does_not_know_the_cursor_and_is_lower_undoes_nothing(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path, height: int
):
    wallet.mine(2)
    follow(devnode.client)
    with running_devnode(tmp_path / "other") as other:
        MiningWallet(other.client).mine(height)
        with pytest.raises(NodeBehindError, match=f"at height {height}, behind"):
            follow(other.client)
    assert tip_of(CONSUMER).height == 2


def test_each_consumer_has_its_own_cursor(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine()
    assert follow(devnode.client, consumer="registry") == follow(devnode.client, consumer="payouts")


def test_the_cursor_moves_only_with_its_effects(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine()
    event = see_event(devnode.client, CONSUMER)
    with pytest.raises(TransactionRequiredError):
        advance(consumer=CONSUMER, event=event)
    with pytest.raises(ZeroDivisionError):
        apply_effects_that_fail(event)
    assert find_tip(CONSUMER) is None


def apply_effects_that_fail(event: BlockEvent) -> None:
    """Advance and then fail, in one transaction."""
    with transaction.atomic(durable=True):
        advance(consumer=CONSUMER, event=event)
        _ = 1 // 0


def test_an_event_that_another_worker_applied_is_refused(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine(2)
    follow(devnode.client, start_height=1)
    connected = see_event(devnode.client, "later")
    with pytest.raises(StaleEventError), transaction.atomic(durable=True):
        advance(consumer=CONSUMER, event=connected)
    devnode.client.invalidate_block(devnode.client.get_block_hash(1))
    wallet.mine()
    disconnected = see_event(devnode.client, CONSUMER)
    with transaction.atomic(durable=True):
        advance(consumer=CONSUMER, event=disconnected)
    with pytest.raises(StaleEventError), transaction.atomic(durable=True):
        advance(consumer=CONSUMER, event=disconnected)


def test_another_network_is_refused(devnode: DevnodeProcess, settings: Settings):
    settings.CADASTRE_NETWORK = "signet"
    with pytest.raises(NetworkError, match="signet"):
        next_event(node=devnode.client, consumer=CONSUMER, start_height=0)
    settings.CADASTRE_NETWORK = "nonsense"
    with pytest.raises(NetworkError, match="nonsense"):
        next_event(node=devnode.client, consumer=CONSUMER, start_height=0)


def test_finds_the_hash_of_a_followed_height(devnode: DevnodeProcess, wallet: MiningWallet):
    hashes = wallet.mine(2)
    follow(devnode.client, start_height=1)
    assert get_block_hash_at(CONSUMER, 1) == hashes[0]
    with pytest.raises(BlockNotFollowedError):
        get_block_hash_at(CONSUMER, 0)


def test_following_stops_at_its_limit_and_goes_on_later(devnode: DevnodeProcess):
    MiningWallet(devnode.client).mine(5)
    heights: list[int] = []

    counts = [
        follower.follow(
            node=devnode.client, consumer=CONSUMER, apply=lambda event: heights.append(event.height), now=NOW, limit=4
        )
        for _ in range(3)
    ]

    assert counts == [4, 2, 0]
    assert heights == [0, 1, 2, 3, 4, 5]


def test_an_effect_that_fails_leaves_the_cursor_where_it_was(devnode: DevnodeProcess):
    def fail(event: BlockEvent) -> None:
        raise RuntimeError(event.hash)

    with pytest.raises(RuntimeError):
        follower.follow(node=devnode.client, consumer=CONSUMER, apply=fail, now=NOW)
    assert find_tip(CONSUMER) is None
