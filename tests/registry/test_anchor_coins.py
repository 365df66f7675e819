"""Coins paid to the anchor keys: found, merged into anchors, undone by reorganisations; and anchors that change key."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chain.keys import Key, generate_key
from chain.networks import REGTEST
from chain.transactions import Coin, Output, build_transaction, sign_transaction
from registry.errors import AnchorFundsError, AnchorKeyMismatchError
from registry.models import Anchor, AnchorCoin, AnchorScript, Batch
from registry.selectors.funds import get_anchor_funds, list_top_ups
from registry.services.anchor_keys import get_anchor_keys
from registry.services.following import follow_chain
from registry.services.founding import found_register
from tests.nodes import DevnodeProcess, MiningWallet
from tests.registry.anchoring import Anchoring, get_current, list_spent, parse_current
from tests.registry.conftest import NOW, FoundedRegister
from web.selectors.health import get_health


@pytest.fixture
def anchoring(devnode: DevnodeProcess, own: FoundedRegister) -> Anchoring:
    """A register on a node of the test's own."""
    return Anchoring(own, devnode)


@pytest.fixture
def key(anchoring: Anchoring) -> Key:
    """The anchor key."""
    return get_anchor_keys().payee


@pytest.fixture
def poor(devnode: DevnodeProcess, db: None, settings: Settings) -> Anchoring:
    """A register founded on an output of 400 sat, which pays for one anchor at most."""
    key, node = generate_key(), devnode.client
    settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_NODE_URL = key.to_wif(REGTEST), devnode.url
    wallet = MiningWallet(node)
    txid = wallet.pay(key.script_pubkey, 400)
    wallet.mine(100)
    follow_chain(node=node, now=NOW)
    register = found_register(txid=txid, vout=0, node=node, now=NOW)
    return Anchoring(FoundedRegister(register, node, wallet), devnode)


def spend(key: Key, coin: Coin, output: Output) -> bytes:
    """Return a transaction by which whoever has the key moves a coin elsewhere."""
    raw = build_transaction(coins=[coin], outputs=[output], lock_time=0)
    return sign_transaction(raw, coins=[coin], keys={key.script_pubkey: key})


def test_a_coin_paid_to_the_anchor_key_is_merged_into_the_next_anchor(anchoring: Anchoring, key: Key, tmp_path: Path):
    """Passes if the coin is the next anchor's second input, its value is in the continuation, and it is spent then."""
    [coin] = anchoring.pay(key, 50_000)
    before_sat = get_anchor_funds(now=NOW).continuation_sat
    assert get_anchor_funds(now=NOW).top_ups_sat == 50_000

    anchor = anchoring.anchor()

    assert list_spent(anchor.batch)[1:] == [(coin.txid, coin.vout)]
    version = get_current(anchor.batch)
    assert version.continuation_sat == before_sat + 50_000 - version.fee_sat
    assert AnchorCoin.objects.get(txid=coin.txid).spent_txid == version.txid
    funds = get_anchor_funds(now=NOW)
    assert (funds.top_ups_sat, funds.funds_sat) == (0, version.continuation_sat)
    assert list_spent(anchoring.anchor().batch) == [(version.txid, 0)]
    anchoring.settle()
    anchoring.check(tmp_path)


def test_at_most_two_coins_are_merged_the_largest_first(anchoring: Anchoring, key: Key):
    coins = anchoring.pay(key, 20_000, 40_000, 10_000, 30_000)

    first, second = anchoring.anchor(), anchoring.anchor()

    assert list_spent(first.batch)[1:] == [(coins[1].txid, 0), (coins[3].txid, 0)]
    assert list_spent(second.batch)[1:] == [(coins[0].txid, 0), (coins[2].txid, 0)]


def test_coins_of_an_earlier_key_and_those_that_cost_more_than_they_bring_are_stranded(
    anchoring: Anchoring, key: Key, settings: Settings
):
    """Passes if all coins of the present key and of the next one count while the present one is paid, also beyond the
    two that one anchor merges; one that is not worth its input does not; and the present key's do not any more once
    the anchors have moved."""
    next_key = generate_key()
    settings.CADASTRE_ANCHOR_NEXT_KEY = next_key.to_wif(REGTEST)
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = 10_000
    anchoring.sweep()
    anchoring.pay(key, 20_000, 680, 681)
    anchoring.pay(next_key, 40_000, 30_000)

    funds = get_anchor_funds(now=NOW)
    assert (funds.top_ups_sat, funds.stranded_sat) == (90_681, 680)
    assert funds.funds_sat == funds.continuation_sat + 90_681
    anchoring.anchor()
    settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_ANCHOR_NEXT_KEY = settings.CADASTRE_ANCHOR_NEXT_KEY, ""
    funds = get_anchor_funds(now=NOW)
    assert (funds.top_ups_sat, funds.stranded_sat) == (0, 21_361)
    assert len(list_spent(anchoring.anchor().batch)) == 1


def test_the_alarm_goes_off_when_only_stranded_money_is_left(poor: Anchoring, settings: Settings):
    """Passes if a fortune on a key that the anchors have left behind does not keep the health check from failing."""
    settings.CADASTRE_HEALTH_FUNDS_ANCHORS = 1
    old_key, next_key = get_anchor_keys().payee, generate_key()
    settings.CADASTRE_ANCHOR_NEXT_KEY = next_key.to_wif(REGTEST)
    # 400 sat and 300 sat pay for one anchor of two inputs, which moves the chain to the next key; 475 sat are left.
    poor.pay(old_key, 300)
    poor.anchor()
    settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_ANCHOR_NEXT_KEY = settings.CADASTRE_ANCHOR_NEXT_KEY, ""
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = 2_000

    poor.pay(old_key, 1_000_000)

    [detail] = [reason.detail for reason in get_health(now=NOW).reasons if reason.code == "funds-low"]
    assert "1,000,000 sat more are stranded" in detail
    assert get_anchor_funds(now=NOW).anchors_affordable == 0
    poor.seal()
    with pytest.raises(AnchorFundsError):
        poor.sweep()
    poor.pay(next_key, 1_000_000)
    assert "funds-low" not in [reason.code for reason in get_health(now=NOW).reasons]
    assert poor.sweep() == 1


def test_a_coin_that_is_not_worth_its_own_fee_is_left(anchoring: Anchoring, key: Key):
    [coin] = anchoring.pay(key, 680)
    anchoring.transport.rate_sat_per_kvb = 10_000

    assert len(list_spent(anchoring.anchor().batch)) == 1
    anchoring.transport.rate_sat_per_kvb = 1_000
    assert list_spent(anchoring.anchor().batch)[1:] == [(coin.txid, 0)]


def test_a_coin_in_no_block_is_not_merged(anchoring: Anchoring, key: Key):
    anchoring.founded.wallet.pay(key.script_pubkey, 50_000)

    anchoring.seal()
    anchoring.sweep()

    assert len(list_spent(Batch.objects.get())) == 1


def test_a_coinbase_is_merged_once_it_is_mature(anchoring: Anchoring, key: Key):
    """Passes if the coin is left until the next block is the hundredth after its own, and the node takes it then."""
    anchoring.node.generate_to_address(1, key.address(REGTEST))
    anchoring.mine(98)
    assert list_top_ups(scripts=[key.script_pubkey]) == []

    anchoring.mine(1)

    [coin] = list_top_ups(scripts=[key.script_pubkey])
    anchor = anchoring.anchor()
    assert list_spent(anchor.batch)[1:] == [(coin.txid, coin.vout)]


def test_neither_a_continuation_nor_the_first_outpoint_is_a_top_up(anchoring: Anchoring, key: Key):
    anchoring.anchor()
    anchoring.mine(1)

    assert not AnchorCoin.objects.exclude(txid=anchoring.founded.register.first_txid).exists()
    assert list_top_ups(scripts=[key.script_pubkey]) == []


def test_a_coin_in_use_by_a_waiting_anchor_is_not_there_for_another(anchoring: Anchoring, key: Key):
    anchoring.pay(key, 50_000)
    batch = anchoring.seal()
    anchoring.sweep()

    assert list_top_ups(scripts=[key.script_pubkey]) == []
    assert len(list_top_ups(scripts=[key.script_pubkey], for_anchor=Anchor.objects.get(batch=batch))) == 1


def test_a_reorganisation_takes_coins_and_spends_back(anchoring: Anchoring, key: Key, tmp_path: Path):
    """Passes if a coin whose block is undone is no top-up until a block has it again, and an anchor that merged it is
    signed anew without it, and everything becomes final."""
    [coin] = anchoring.pay(key, 50_000)
    block = AnchorCoin.objects.get(txid=coin.txid).block_hash
    anchor = anchoring.anchor()
    payment = anchoring.node.get_raw_transaction(coin.txid, block_hash=block)

    anchoring.fork(block, count=3)
    anchoring.follow()

    row = AnchorCoin.objects.get(txid=coin.txid)
    assert (row.height, row.block_hash, row.spent_txid) == (None, "", "")
    anchoring.sweep()
    assert anchor.transactions.count() == 2
    assert len(list_spent(anchor.batch)) == 1
    anchoring.node.send_raw_transaction(payment)
    anchoring.settle()
    assert AnchorCoin.objects.get(txid=coin.txid).height is not None
    assert list_spent(anchoring.anchor().batch)[1:] == [(coin.txid, 0)]
    anchoring.settle()
    anchoring.check(tmp_path)


def test_funds_exhausted_then_topped_up(poor: Anchoring, tmp_path: Path):
    """Passes if nothing is signed and the sweep says what is missing while the funds do not pay, and the anchor is
    signed by the next sweep after a payment is in a block, without anybody's doing."""
    batch = poor.seal()

    for _ in range(2):
        with pytest.raises(AnchorFundsError, match="400 sat left"):
            poor.sweep()
    assert not Anchor.objects.filter(batch=batch).exists()
    poor.pay(get_anchor_keys().payee, 100_000)
    assert poor.sweep() == 1

    assert len(list_spent(batch)) == 2
    poor.settle()
    poor.check(tmp_path)


def test_a_coin_that_somebody_with_the_key_spends_elsewhere_is_gone(anchoring: Anchoring, key: Key):
    [coin] = anchoring.pay(key, 50_000)
    wallet = anchoring.founded.wallet
    raw = spend(key, coin, Output(49_000, wallet.key.script_pubkey))
    anchoring.node.send_raw_transaction(raw)

    anchoring.mine(1)

    assert AnchorCoin.objects.get(txid=coin.txid).spent_txid != ""
    assert list_top_ups(scripts=[key.script_pubkey]) == []


def test_a_stranger_who_spends_the_continuation_is_reported(
    anchoring: Anchoring, key: Key, caplog: pytest.LogCaptureFixture
):
    """Passes if the health check names the spend while its block is followed, the continuation is no top-up before or
    after, and the chain goes on once the block is undone."""
    version = get_current(anchoring.anchor().batch)
    wallet = anchoring.founded.wallet
    paid = parse_current(Batch.objects.get()).outputs[0]
    coin = Coin(version.txid, 0, paid.value_sat, paid.script)
    raw = spend(key, coin, Output(paid.value_sat - 1_000, wallet.key.script_pubkey))
    spent_txid = anchoring.node.send_raw_transaction(raw)
    assert read_end() == []

    [block_hash] = anchoring.mine(1)

    assert "its chain has ended" in caplog.text
    assert len(read_end()) == 1
    assert spent_txid in read_end()[0]
    assert list_top_ups(scripts=[key.script_pubkey]) == []
    anchoring.fork(block_hash, count=2)
    anchoring.follow()
    assert read_end() == []
    assert list_top_ups(scripts=[key.script_pubkey]) == []
    assert list_spent(anchoring.anchor().batch) == [(version.txid, 0)]
    assert read_end() == []


def test_a_stranger_who_spends_the_first_outpoint_is_reported(anchoring: Anchoring, key: Key):
    register = anchoring.founded.register
    coin = Coin(register.first_txid, register.first_vout, register.first_value_sat, bytes(register.first_script))
    raw = spend(key, coin, Output(coin.value_sat - 1_000, anchoring.founded.wallet.key.script_pubkey))
    spent_txid = anchoring.node.send_raw_transaction(raw)

    anchoring.mine(1)

    assert spent_txid in read_end()[0]


def read_end() -> list[str]:
    """Return what the health check says of a chain that somebody else has ended."""
    return [reason.detail for reason in get_health(now=NOW).reasons if reason.code == "chain-ended"]


def test_the_anchors_move_to_the_next_key_and_both_sign(
    anchoring: Anchoring, key: Key, settings: Settings, tmp_path: Path
):
    """Passes if the chain goes on through the change of keys, coins of both keys are merged meanwhile, and the next key
    alone goes on afterwards."""
    next_key = generate_key()
    anchoring.anchor()
    settings.CADASTRE_ANCHOR_NEXT_KEY = next_key.to_wif(REGTEST)
    anchoring.pay(key, 20_000)
    [moving] = [anchoring.anchor()]
    assert parse_current(moving.batch).outputs[0].script == next_key.script_pubkey
    anchoring.pay(next_key, 30_000)
    anchoring.pay(key, 10_000)

    both = anchoring.anchor()
    assert [coin.value_sat for coin in AnchorCoin.objects.filter(spent_txid=get_current(both.batch).txid)] == [
        10_000,
        30_000,
    ]
    settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_ANCHOR_NEXT_KEY = next_key.to_wif(REGTEST), ""
    last = anchoring.anchor()

    assert parse_current(last.batch).outputs[0].script == next_key.script_pubkey
    anchoring.settle()
    anchoring.check(tmp_path)


def test_a_key_that_was_changed_too_early_signs_nothing(anchoring: Anchoring, settings: Settings):
    anchoring.seal()
    settings.CADASTRE_ANCHOR_KEY = generate_key().to_wif(REGTEST)

    with pytest.raises(AnchorKeyMismatchError):
        anchoring.sweep()
    assert not Anchor.objects.exists()


def test_a_worker_without_a_key_finds_the_coins_of_all_keys(anchoring: Anchoring, key: Key, settings: Settings):
    """Passes if a follower that has no key notes coins of the next key, once a signing machine has seen that key."""
    next_key = generate_key()
    settings.CADASTRE_ANCHOR_NEXT_KEY = next_key.to_wif(REGTEST)
    anchoring.sweep()
    settings.CADASTRE_ANCHOR_KEY = settings.CADASTRE_ANCHOR_NEXT_KEY = ""

    anchoring.pay(next_key, 30_000)
    anchoring.pay(generate_key(), 40_000)

    assert AnchorScript.objects.count() == 2
    assert get_anchor_funds(now=NOW).top_ups_sat == 30_000
    anchoring.seal()
    assert anchoring.founded.register.scripts.count() == 2
