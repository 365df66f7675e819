"""Coins of the anchor keys in blocks that were followed before anybody knew the keys."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from chain.errors import NodeBehindError, NodeChainMovedError
from chain.follower import find_tip
from chain.keys import Key, generate_key
from chain.models import FollowedBlock
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import Coin, Output, build_transaction, sign_transaction
from chain.transports import HttpTransport
from registry.models import AnchorCoin, AnchorScript
from registry.selectors.funds import get_anchor_funds
from registry.selectors.registers import get_consumer
from registry.services.anchor_coins import find_coins
from registry.services.following import follow_chain
from tests.nodes import DevnodeProcess, MiningWallet
from tests.registry.anchoring import Anchoring, list_spent
from tests.registry.conftest import NOW, FoundedRegister


class WatchedTransport(HttpTransport):
    """A way to a real node on which something happens once, right after it was asked for an unspent output."""

    def __init__(self, url: str, *, after: Callable[[], object]) -> None:
        super().__init__(url)
        self.after = after

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Pass a call on."""
        reply = super().exchange(body, is_repeatable=is_repeatable)
        if json.loads(body)["method"] == "gettxout":
            after, self.after = self.after, lambda: None
            after()
        return reply


@pytest.fixture
def anchoring(devnode: DevnodeProcess, own: FoundedRegister) -> Anchoring:
    """A register on a node of the test's own."""
    return Anchoring(own, devnode)


@pytest.fixture
def key(anchoring: Anchoring, settings: Settings) -> Key:
    """A next anchor key that is set after it was paid."""
    return generate_key()


def know(key: Key, settings: Settings) -> None:
    """Set the next anchor key."""
    settings.CADASTRE_ANCHOR_NEXT_KEY = key.to_wif(REGTEST)


def find(anchoring: Anchoring, *, from_height: int | None = None) -> int:
    """Look for coins and return how many are new."""
    return find_coins(node=anchoring.node, now=NOW, from_height=from_height)


def spend(anchoring: Anchoring, key: Key, coin: Coin) -> None:
    """Move a coin elsewhere, in a block of its own that is followed."""
    output = Output(coin.value_sat - 1_000, anchoring.founded.wallet.key.script_pubkey)
    raw = build_transaction(coins=[coin], outputs=[output], lock_time=0)
    anchoring.node.send_raw_transaction(sign_transaction(raw, coins=[coin], keys={key.script_pubkey: key}))
    anchoring.mine(1)


def test_a_coin_that_was_paid_before_its_key_was_known_is_found_and_merged(
    anchoring: Anchoring, key: Key, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Passes if it is noted once with its block, its key's script is known from then on, and an anchor spends it."""
    [coin] = anchoring.pay(key, 30_000)
    know(key, settings)
    anchoring.mine(1)
    assert get_anchor_funds(now=NOW).top_ups_sat == 0

    call_command("find_anchor_coins")
    call_command("find_anchor_coins")

    assert capsys.readouterr().out == "1 new coin of the anchor keys\n0 new coins of the anchor keys\n"
    assert get_anchor_funds(now=NOW).top_ups_sat == 30_000
    row = AnchorCoin.objects.get(txid=coin.txid)
    assert row.height is not None
    assert row.block_hash == FollowedBlock.objects.get(consumer=get_consumer(), height=row.height).hash
    assert AnchorScript.objects.count() == 2
    assert list_spent(anchoring.anchor().batch)[1:] == [(coin.txid, 0)]
    anchoring.settle()
    anchoring.check(tmp_path)


def test_only_unspent_coins_are_found_and_no_continuation(anchoring: Anchoring, key: Key, settings: Settings):
    """Passes if a spent coin is not noted, nor the output that the anchors' own chain goes on with."""
    spent, left = anchoring.pay(key, 20_000, 40_000)
    spend(anchoring, key, spent)
    know(key, settings)
    anchoring.anchor()

    assert find(anchoring) == 1

    assert AnchorCoin.objects.get(script=key.script_pubkey).txid == left.txid


def test_founding_finds_what_else_was_paid_before(
    devnode: DevnodeProcess, db: None, settings: Settings, capsys: pytest.CaptureFixture[str]
):
    """Passes if blocks that were followed without a key hide no payment, and the first outpoint is none."""
    key, node, wallet = generate_key(), devnode.client, MiningWallet(devnode.client)
    settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_NODE_URL = "", devnode.url
    for value_sat in (100_000, 30_000):
        wallet.pay(key.script_pubkey, value_sat)
        wallet.mine(1)
    wallet.mine(100)
    follow_chain(node=node, now=NOW)
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)

    call_command("found_register")

    assert capsys.readouterr().out.endswith("with 100000 sat\n1 more coin of the anchor key\n")
    assert AnchorCoin.objects.get().value_sat == 30_000


def test_blocks_below_the_height_that_is_named_are_left_out(anchoring: Anchoring, key: Key, settings: Settings):
    anchoring.pay(key, 30_000)
    know(key, settings)
    tip = find_tip(get_consumer())
    assert tip is not None

    assert find(anchoring, from_height=tip.height + 1) == 0
    assert find(anchoring, from_height=tip.height) == 1


def test_a_block_above_the_cursor_is_left_to_its_follower(anchoring: Anchoring, key: Key, settings: Settings):
    know(key, settings)
    anchoring.founded.wallet.pay(key.script_pubkey, 30_000)
    anchoring.founded.wallet.mine(1)

    assert find(anchoring) == 0
    assert not AnchorCoin.objects.filter(script=key.script_pubkey).exists()
    anchoring.follow()
    assert AnchorCoin.objects.filter(script=key.script_pubkey).count() == 1


def test_a_coin_in_a_block_whose_row_is_not_kept_any_more_is_found(anchoring: Anchoring, key: Key, settings: Settings):
    anchoring.pay(key, 30_000)
    anchoring.mine(3)
    know(key, settings)
    tip = find_tip(get_consumer())
    assert tip is not None
    FollowedBlock.objects.filter(height__lt=tip.height).delete()

    assert find(anchoring) == 1


def test_a_coin_that_is_found_is_undone_with_its_block(anchoring: Anchoring, key: Key, settings: Settings):
    anchoring.pay(key, 30_000)
    know(key, settings)
    find(anchoring)
    coin = AnchorCoin.objects.get(script=key.script_pubkey)

    anchoring.fork(coin.block_hash, count=3)
    anchoring.follow()

    coin.refresh_from_db()
    assert (coin.height, coin.block_hash) == (None, "")


def test_a_coin_that_is_spent_while_it_is_looked_for_is_not_noted(anchoring: Anchoring, key: Key, settings: Settings):
    """Passes if a block that is followed between the node's answer and the row makes the node be asked again."""
    [coin] = anchoring.pay(key, 30_000)
    know(key, settings)
    transport = WatchedTransport(anchoring.devnode.url, after=lambda: spend(anchoring, key, coin))

    found = find_coins(node=NodeClient(anchoring.devnode.url, transport=transport), now=NOW)

    assert found == 0
    assert not AnchorCoin.objects.filter(txid=coin.txid).exists()


def test_a_block_that_is_followed_meanwhile_and_spends_nothing_hides_no_coin(
    anchoring: Anchoring, key: Key, settings: Settings
):
    anchoring.pay(key, 30_000)
    know(key, settings)
    transport = WatchedTransport(anchoring.devnode.url, after=lambda: anchoring.mine(1))

    assert find_coins(node=NodeClient(anchoring.devnode.url, transport=transport), now=NOW) == 1


def test_a_chain_that_is_not_the_followed_one_gives_no_coins(anchoring: Anchoring, key: Key, settings: Settings):
    """Passes if neither a node whose chain has left the followed one nor one that is below it is believed."""
    anchoring.pay(key, 30_000)
    anchoring.mine(2)
    know(key, settings)
    tip = find_tip(get_consumer())
    assert tip is not None
    anchoring.node.invalidate_block(tip.hash)
    with pytest.raises(NodeBehindError, match=f"no block at height {tip.height}"):
        find(anchoring, from_height=tip.height)
    anchoring.founded.wallet.mine(2)

    with pytest.raises(NodeChainMovedError):
        find(anchoring)
    assert not AnchorCoin.objects.filter(script=key.script_pubkey).exists()


def test_a_machine_without_a_key_finds_the_coins_of_known_scripts(anchoring: Anchoring, key: Key, settings: Settings):
    anchoring.pay(key, 20_000)
    AnchorScript.objects.create(register=anchoring.founded.register, script=key.script_pubkey, added_at=NOW)
    settings.CADASTRE_ANCHOR_KEY = ""

    assert find(anchoring) == 1


@pytest.mark.django_db
def test_nothing_is_looked_at_before_a_block_was_followed(shared_devnode: DevnodeProcess):
    assert find_coins(node=shared_devnode.client, now=NOW) == 0


def test_what_is_wrong_is_told(anchoring: Anchoring, settings: Settings):
    with pytest.raises(CommandError, match="not negative"):
        call_command("find_anchor_coins", from_height=-1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.CADASTRE_NODE_URL = f"http://u:p@127.0.0.1:{port}"
    with pytest.raises(CommandError, match=r"refused|dropped"):
        call_command("find_anchor_coins")
