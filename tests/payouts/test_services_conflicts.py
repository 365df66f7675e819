"""Inputs that can never exist again: exact from blocks, forgotten with them, and nothing is ever paid twice."""

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from chain.transactions import Coin, Output, Transaction, build_transaction, parse_transaction
from payouts.models import LedgerAccount, PayoutBatch, WalletCoin
from payouts.selectors.closing import get_closing_account
from payouts.selectors.ledger import get_balances_by_kind
from payouts.services.conflicts import pack_inputs, unpack_inputs
from payouts.services.deposits import issue_deposit_address
from payouts.services.ledger import PostingDraft, post_entry
from tests.factories.payouts import NOW, make_account, make_batch, make_coin, make_payable, make_user
from tests.payouts.blocks import OUTSIDE, connect, disconnect, pay

Kind = LedgerAccount.Kind
State = PayoutBatch.State
ELSEWHERE = b"\x51"
COINBASE = Coin("00" * 32, 0xFFFFFFFF, 0, b"")


@pytest.fixture(autouse=True)
def three_confirmations(settings: Settings):
    settings.CADASTRE_DEPOSIT_CONFIRMATIONS = 3
    settings.CADASTRE_CONFIRMATIONS_FINAL = 3
    settings.CADASTRE_DEPOSIT_MIN_SAT = 1


def make_unknown_batch(*inputs: WalletCoin, txid: str = "fe" * 32) -> PayoutBatch:
    """Return a batch of 20,000 sat that the node has refused, with its amounts in transit."""
    batch = make_batch(state=State.UNKNOWN, txid=txid, raw=b"raw", fee_sat=0)
    payable = batch.payouts.get().account
    make_payable(payable, 20_000_000)
    with transaction.atomic():
        draft = PostingDraft(payable, make_account(Kind.IN_TRANSIT), 20_000_000)
        post_entry(source_key=f"payout:{batch.id}", description="On their way", postings=[draft], now=NOW)
    WalletCoin.objects.filter(id__in=[coin.id for coin in inputs]).update(spent_by=batch)
    return batch


def held(kind: LedgerAccount.Kind) -> int:
    """Return what all accounts of a kind hold."""
    return get_balances_by_kind()[kind].credit_balance_msat


def state_of(batch: PayoutBatch) -> str:
    """Return a batch's state now."""
    batch.refresh_from_db()
    return batch.state


def deposit_and_undo(parent: Transaction) -> PayoutBatch:
    """Credit a deposit, promise it to a batch, and let its block leave the chain."""
    for height, transactions in ((1, [parent]), (2, []), (3, [])):
        connect(height, *transactions)
    batch = make_unknown_batch(WalletCoin.objects.get())
    for height in (3, 2, 1):
        disconnect(height)
    return batch


@pytest.fixture
def script(db: None) -> bytes:
    """Where Carol pays."""
    return bytes(issue_deposit_address(user=make_user("carol"), now=NOW).script)


def test_a_batch_fails_once_a_conflict_of_its_inputs_parent_is_final(script: bytes):
    batch = deposit_and_undo(pay(script, 50_000))
    thief = pay(ELSEWHERE, 50_000)
    connect(1, thief)
    connect(2)
    assert (state_of(batch), held(Kind.IN_TRANSIT)) == (State.UNKNOWN, 20_000_000)

    connect(3)

    assert state_of(batch) == State.FAILED
    assert thief.txid in batch.failure_reason
    assert (held(Kind.IN_TRANSIT), held(Kind.PAYABLE)) == (0, 20_000_000)
    assert WalletCoin.objects.get().spent_by is None
    assert get_closing_account().is_balanced


def test_a_deposit_that_its_sender_replaced_is_credited_once_and_fails_the_batch(script: bytes):
    batch = deposit_and_undo(pay(script, 50_000))
    connect(1, pay(script, 49_000, lock_time=1))
    connect(2)
    connect(3)
    assert state_of(batch) == State.FAILED
    assert held(Kind.READERS) == 49_000_000
    assert get_closing_account().is_balanced


def test_a_deposit_that_returns_fails_nothing(script: bytes):
    parent = pay(script, 50_000)
    batch = deposit_and_undo(parent)
    connect(1)
    connect(2, parent)
    for height in range(3, 9):
        connect(height)
    assert state_of(batch) == State.UNKNOWN
    assert WalletCoin.objects.get().state == WalletCoin.State.CREDITED


def test_spends_of_other_outputs_fail_nothing(script: bytes):
    batch = deposit_and_undo(pay(script, 50_000))
    connect(1, pay(ELSEWHERE, 1, coin=Coin(OUTSIDE.txid, 1, 10**9, OUTSIDE.script)))
    connect(9)
    assert state_of(batch) == State.UNKNOWN


def test_a_conflict_is_forgotten_with_its_block(script: bytes):
    parent = pay(script, 50_000)
    batch = deposit_and_undo(parent)
    connect(1, pay(ELSEWHERE, 50_000))
    connect(2)
    assert WalletCoin.objects.get().conflict_height == 1
    disconnect(2)
    assert WalletCoin.objects.get().conflict_height == 1
    disconnect(1)
    assert (WalletCoin.objects.get().conflict_height, WalletCoin.objects.get().conflict_txid) == (None, "")
    connect(1, parent)
    connect(9)
    assert state_of(batch) == State.UNKNOWN


def test_the_first_of_several_conflicts_is_kept(script: bytes):
    other = Coin("cd" * 32, 7, 10**9, OUTSIDE.script)
    outputs = [Output(1, ELSEWHERE), Output(50_000, script)]
    parent = parse_transaction(build_transaction(coins=[OUTSIDE, other], outputs=outputs, lock_time=0))
    deposit_and_undo(parent)
    connect(1, pay(ELSEWHERE, 1, coin=other))
    connect(2, pay(ELSEWHERE, 1))
    assert WalletCoin.objects.get().conflict_height == 1


def test_a_subsidy_is_lost_once_another_block_is_final_in_its_place(script: bytes, settings: Settings):
    subsidy = pay(script, 50_000, coin=COINBASE)
    connect(1, subsidy)
    coin = WalletCoin.objects.get()
    batch = make_unknown_batch(coin)
    disconnect(1)
    assert bytes(coin.parent_inputs) == b""
    for height in (1, 2):
        connect(height, pay(ELSEWHERE, 1, coin=COINBASE, lock_time=height))
    assert state_of(batch) == State.UNKNOWN
    connect(3)
    assert state_of(batch) == State.FAILED


@pytest.mark.django_db
def test_a_batch_that_spends_the_change_of_one_that_fails_fails_with_it():
    script = bytes(issue_deposit_address(user=None, now=NOW).script)
    first = deposit_and_undo(pay(script, 50_000))
    change = make_coin(
        value_sat=9_000, txid=str(first.txid), kind=WalletCoin.Kind.CHANGE, is_internal=True, state="UNDONE"
    )
    second = make_unknown_batch(change, txid="fd" * 32)
    connect(1, pay(ELSEWHERE, 50_000))
    connect(3)
    assert (state_of(first), state_of(second)) == (State.FAILED, State.FAILED)
    assert held(Kind.IN_TRANSIT) == 0


@pytest.mark.django_db
def test_a_batch_that_spends_undone_change_of_one_that_may_return_waits():
    first = make_unknown_batch()
    change = make_coin(
        value_sat=9_000, txid=str(first.txid), kind=WalletCoin.Kind.CHANGE, is_internal=True, state="UNDONE"
    )
    second = make_unknown_batch(change, txid="fd" * 32)
    connect(9)
    assert state_of(second) == State.UNKNOWN


# The id of zeros stands for what a coinbase spends: nothing.
TXIDS = st.binary(min_size=32, max_size=32).filter(any)


@given(st.lists(st.tuples(TXIDS, st.integers(0, 2**32 - 1)), min_size=1, max_size=5, unique=True))
def test_what_a_parent_spends_is_read_as_it_was_packed(outpoints: list[tuple[bytes, int]]):
    coins = [Coin(txid.hex(), vout, 1, b"") for txid, vout in outpoints]
    parent = parse_transaction(build_transaction(coins=coins, outputs=[Output(1, ELSEWHERE)], lock_time=0))
    assert unpack_inputs(pack_inputs(parent)) == [(coin.txid, coin.vout) for coin in coins]
