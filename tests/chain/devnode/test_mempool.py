"""The development node's mempool rules, asked through its RPC: Bitcoin Core's words, and scripts run
by its own code."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from coincurve import PrivateKey
from embit.transaction import Transaction as EmbitTransaction

from chain.errors import (
    TransactionAlreadyKnownError,
    TransactionMissingInputsError,
    TransactionRejectedError,
)
from chain.keys import generate_key
from chain.node import NodeClient
from chain.node_results import MempoolEntry
from chain.transactions import Coin, Output, build_transaction, transaction_id, virtual_size
from tests.nodes import MiningWallet, running_devnode

FEE_SAT = 1_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory):
    with running_devnode(tmp_path_factory.mktemp("mempool")) as process:
        yield process.client


@pytest.fixture(scope="module")
def rich(node: NodeClient):
    """A wallet of thirty coins, and the coins."""
    wallet = MiningWallet(node)
    return wallet, iter(wallet.fund(40))


@pytest.fixture
def alice(rich: tuple[MiningWallet, Iterator[Coin]]):
    return rich[0]


@pytest.fixture
def coin(rich: tuple[MiningWallet, Iterator[Coin]]):
    return next(rich[1])


@pytest.fixture
def other_coin(rich: tuple[MiningWallet, Iterator[Coin]]):
    return next(rich[1])


def back(wallet: MiningWallet, coin: Coin, fee_sat: int = FEE_SAT):
    return Output(coin.value_sat - fee_sat, wallet.key.script_pubkey)


def spend(wallet: MiningWallet, coin: Coin, fee_sat: int = FEE_SAT, **options: int):
    return wallet.build([coin], [back(wallet, coin, fee_sat)], **options)


def first_output(raw: bytes, wallet: MiningWallet, value_sat: int):
    return Coin(transaction_id(raw), 0, value_sat, wallet.key.script_pubkey)


def reason(node: NodeClient, raw: bytes):
    return node.test_mempool_accept(raw).reject_reason


def entry_of(node: NodeClient, txid: str) -> MempoolEntry:
    """Return the entry of a transaction that must wait."""
    entry = node.get_mempool_entry(txid)
    assert entry is not None
    return entry


def test_a_signed_transaction_waits_and_is_mined(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = spend(alice, coin)
    txid = node.send_raw_transaction(raw)
    assert txid == transaction_id(raw)
    assert entry_of(node, txid).virtual_size == virtual_size(raw)
    assert node.get_txout(coin.txid, 0) is None
    assert node.get_txout(coin.txid, 0, include_mempool=False) is not None
    block_hash = alice.mine()[0]
    assert node.get_mempool_entry(txid) is None
    unspent = node.get_txout(txid, 0)
    assert unspent is not None
    assert unspent.confirmations == 1
    assert node.get_raw_transaction(txid, block_hash=block_hash) == raw


def test_sending_again_is_harmless_until_it_is_mined(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = spend(alice, coin)
    assert node.send_raw_transaction(raw) == node.send_raw_transaction(raw)
    alice.mine()
    with pytest.raises(TransactionAlreadyKnownError) as known:
        node.send_raw_transaction(raw)
    assert known.value.code == -27


def test_missing_inputs_are_told_apart(node: NodeClient, alice: MiningWallet, coin: Coin):
    absent = Coin("11" * 32, 0, coin.value_sat, coin.script)
    raw = spend(alice, absent)
    with pytest.raises(TransactionMissingInputsError) as missing:
        node.send_raw_transaction(raw)
    assert missing.value.code == -25
    assert reason(node, raw) == "missing-inputs"


def test_a_broken_signature_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = bytearray(spend(alice, coin))
    raw[-50] ^= 1  # inside the signature, or the key that it must match
    assert reason(node, bytes(raw)) == "mandatory-script-verify-flag-failed"


def test_another_keys_signature_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    carol = MiningWallet(node, generate_key())
    stolen = carol.build([Coin(coin.txid, 0, coin.value_sat, carol.key.script_pubkey)], [back(carol, coin)])
    assert reason(node, stolen) == "mandatory-script-verify-flag-failed"


def test_an_amount_other_than_the_signed_one_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    lying = Coin(coin.txid, 0, coin.value_sat + 1, coin.script)
    raw = alice.build([lying], [back(alice, coin)])
    assert reason(node, raw) == "mandatory-script-verify-flag-failed"


def test_an_unsigned_transaction_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = build_transaction(coins=[coin], outputs=[back(alice, coin)], lock_time=0)
    assert reason(node, raw) == "mandatory-script-verify-flag-failed"


def test_money_from_nothing_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    assert reason(node, spend(alice, coin, fee_sat=-1)) == "bad-txns-in-belowout"


def test_the_relay_fee_is_one_satoshi_per_vbyte(node: NodeClient, alice: MiningWallet, coin: Coin):
    size = virtual_size(spend(alice, coin))
    with pytest.raises(TransactionRejectedError, match="min relay fee not met") as refused:
        node.send_raw_transaction(spend(alice, coin, fee_sat=size - 1))
    assert refused.value.code == -26
    assert node.test_mempool_accept(spend(alice, coin, fee_sat=size)).is_allowed


def test_an_absurd_fee_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = spend(alice, coin, fee_sat=coin.value_sat - 1_000)
    with pytest.raises(TransactionRejectedError, match="Fee exceeds maximum") as refused:
        node.send_raw_transaction(raw)
    assert refused.value.code == -25


@pytest.mark.parametrize(("script", "threshold"), [("0014" + "11" * 20, 294), ("5120" + "11" * 32, 330)])
def test_dust_is_refused_below_cores_threshold(
    node: NodeClient, alice: MiningWallet, coin: Coin, script: str, threshold: int
):
    outputs = [back(alice, coin, 10_000), Output(threshold - 1, bytes.fromhex(script))]
    assert reason(node, alice.build([coin], outputs)) == "dust"
    outputs[1] = Output(threshold, bytes.fromhex(script))
    assert node.test_mempool_accept(alice.build([coin], outputs)).is_allowed


def test_data_outputs_are_limited_to_one_of_83_bytes(node: NodeClient, alice: MiningWallet, coin: Coin):
    longest = Output(0, b"\x6a\x4c\x50" + b"d" * 80)
    too_long = Output(0, b"\x6a\x4c\x51" + b"d" * 81)
    assert node.test_mempool_accept(alice.build([coin], [back(alice, coin), longest])).is_allowed
    assert reason(node, alice.build([coin], [back(alice, coin), too_long])) == "scriptpubkey"
    assert reason(node, alice.build([coin], [back(alice, coin), longest, longest])) == "multi-op-return"


def test_an_unknown_script_is_not_relayed(node: NodeClient, alice: MiningWallet, coin: Coin):
    assert reason(node, alice.build([coin], [Output(10_000, b"\x51")])) == "scriptpubkey"


def test_burning_money_is_refused(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = alice.build([coin], [back(alice, coin, 2_000), Output(1_000, b"\x6a\x01a")])
    with pytest.raises(TransactionRejectedError, match="maxburnamount"):
        node.send_raw_transaction(raw)


def test_a_lock_time_in_the_future_is_not_final(node: NodeClient, alice: MiningWallet, coin: Coin):
    height = node.get_block_count()
    assert reason(node, spend(alice, coin, lock_time=height + 1)) == "non-final"
    assert node.test_mempool_accept(spend(alice, coin, lock_time=height)).is_allowed


def test_a_relative_lock_holds_for_its_blocks(node: NodeClient, alice: MiningWallet, coin: Coin):
    raw = spend(alice, coin)
    node.send_raw_transaction(raw)
    alice.mine()
    made = first_output(raw, alice, coin.value_sat - FEE_SAT)
    locked = spend(alice, made, sequence=2)
    assert reason(node, locked) == "non-BIP68-final"
    alice.mine()
    assert node.test_mempool_accept(locked).is_allowed


def test_a_young_coinbase_cannot_be_spent(node: NodeClient, alice: MiningWallet):
    from chain.transactions import parse_block

    young = parse_block(node.get_block(alice.mine()[0])).transactions[0]
    coin = Coin(young.txid, 0, young.outputs[0].value_sat, young.outputs[0].script)
    assert reason(node, spend(alice, coin)) == "bad-txns-premature-spend-of-coinbase"


def test_a_replacement_pays_for_what_it_replaces(node: NodeClient, alice: MiningWallet, coin: Coin):
    first = spend(alice, coin, fee_sat=1_000)
    node.send_raw_transaction(first)
    child_coin = first_output(first, alice, coin.value_sat - 1_000)
    child = transaction_id(spend(alice, child_coin))
    node.send_raw_transaction(spend(alice, child_coin))
    with pytest.raises(TransactionRejectedError, match="insufficient fee"):
        node.send_raw_transaction(spend(alice, coin, fee_sat=1_001))
    with pytest.raises(TransactionRejectedError, match="insufficient fee"):
        node.send_raw_transaction(spend(alice, coin, fee_sat=2_000))  # also replaces the child's 1,000
    second = node.send_raw_transaction(spend(alice, coin, fee_sat=3_000))
    assert entry_of(node, second).fee_sat == 3_000
    assert node.get_mempool_entry(transaction_id(first)) is None
    assert node.get_mempool_entry(child) is None


def test_a_mined_conflict_removes_what_waited(node: NodeClient, alice: MiningWallet, coin: Coin, tmp_path: Path):
    mined, waiting = spend(alice, coin, fee_sat=5_000), spend(alice, coin, fee_sat=1_000)
    node.send_raw_transaction(mined)
    with_conflict = alice.mine()[0]
    node.invalidate_block(with_conflict)
    # The node is back before the block, where its own transaction waits again.
    assert node.get_mempool_entry(transaction_id(mined)) is not None
    replacement = spend(alice, coin, fee_sat=9_000)
    node.send_raw_transaction(replacement)
    node.reconsider_block(with_conflict)
    assert node.get_mempool_entry(transaction_id(replacement)) is None
    assert node.get_raw_transaction(transaction_id(mined), block_hash=with_conflict) == mined
    with pytest.raises(TransactionMissingInputsError):
        node.send_raw_transaction(waiting)


def test_chains_of_unconfirmed_transactions_end_at_25(node: NodeClient, alice: MiningWallet, coin: Coin):
    for _ in range(25):
        raw = spend(alice, coin)
        node.send_raw_transaction(raw)
        coin = first_output(raw, alice, coin.value_sat - FEE_SAT)
    assert reason(node, spend(alice, coin)) == "too-long-mempool-chain"
    alice.mine()
    assert node.test_mempool_accept(spend(alice, coin)).is_allowed


def test_a_taproot_output_is_spent_by_its_key(node: NodeClient, alice: MiningWallet, coin: Coin, other_coin: Coin):
    secret = PrivateKey(b"\x07" * 32)
    script = b"\x51\x20" + secret.public_key.format()[1:]
    funding = alice.build([coin], [Output(coin.value_sat - FEE_SAT, script)])
    node.send_raw_transaction(funding)
    taproot = Coin(transaction_id(funding), 0, coin.value_sat - FEE_SAT, script)
    raw = build_transaction(coins=[taproot], outputs=[back(alice, taproot)], lock_time=0)
    accepted, refused = (sign_taproot(raw, taproot, value, secret) for value in (0, 1))
    assert reason(node, refused) == "mandatory-script-verify-flag-failed"
    assert node.test_mempool_accept(accepted).is_allowed


def sign_taproot(raw: bytes, coin: Coin, wrong_by_sat: int, secret: PrivateKey):
    from embit.script import Script, Witness

    parsed = EmbitTransaction.parse(raw)
    digest = parsed.sighash_taproot(0, [Script(coin.script)], [coin.value_sat + wrong_by_sat], sighash=0)
    parsed.vin[0].witness = Witness([secret.sign_schnorr(digest)])
    return parsed.serialize()


def test_bytes_that_are_no_transaction_are_refused(node: NodeClient):
    with pytest.raises(TransactionRejectedError) as refused:
        node.send_raw_transaction(b"\x02\x00\x00\x00")
    assert refused.value.code == -22
