"""Payout batches before they are signed: who is paid, when, and who allows it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from chain.networks import REGTEST
from chain.transactions import Output
from payouts.errors import (
    PayeeApprovalError,
    PayoutAddressError,
    PayoutBatchNotFoundError,
    PayoutBatchStateError,
    SelfApprovalError,
)
from payouts.models import JournalEntry, LedgerAccount, PayoutAddress, PayoutBatch, WalletCoin
from payouts.selectors import coins
from payouts.selectors.ledger import get_balance, list_positive_payables
from payouts.services.payouts import (
    approve_payout_batch,
    cancel_payout_batch,
    make_payout_batch,
    set_payout_address,
)
from registry.models import Member
from tests.factories.payouts import (
    NOW,
    WALLET,
    make_account,
    make_batch,
    make_coin,
    make_holder,
    make_payable,
    make_user,
)

pytestmark = pytest.mark.django_db
Kind = LedgerAccount.Kind
State = PayoutBatch.State
ADDRESS = WALLET.derive_key(1, 5_000).address(REGTEST)
OTHER_ADDRESS = WALLET.derive_key(1, 5_001).address(REGTEST)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def daily_payouts(settings: Settings):
    settings.CADASTRE_PAYOUT_THRESHOLD_SAT = 1_000
    settings.CADASTRE_PAYOUT_INTERVAL_SECONDS = 86_400
    settings.CADASTRE_PAYOUT_APPROVAL_SAT = 1_000_000


def owe_holder(amount_msat: int, address: str = ADDRESS) -> LedgerAccount:
    """Owe a new rights holder an amount."""
    account = make_account(Kind.PAYABLE, holder_id=make_holder("Alice", payout_address=address).id)
    make_payable(account, amount_msat)
    return account


def held(account: LedgerAccount) -> int:
    """Return what an account holds."""
    return get_balance(account).credit_balance_msat


def test_a_batch_pays_whole_satoshi_and_the_rest_stays():
    account = owe_holder(1_234_567)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    assert (batch.state, batch.total_sat) == (State.APPROVED, 1_234)
    assert list(batch.payouts.values_list("account_id", "address", "amount_sat")) == [(account.id, ADDRESS, 1_234)]
    assert held(account) == 567
    assert held(make_account(Kind.IN_TRANSIT)) == 1_234_000
    assert JournalEntry.objects.filter(source_key=f"payout:{batch.id}").exists()


def test_an_uploader_is_paid_at_their_newest_address():
    bob = make_user("bob")
    set_payout_address(user=bob, address=OTHER_ADDRESS, now=NOW)
    set_payout_address(user=bob, address=ADDRESS, now=NOW + DAY)
    make_payable(make_account(Kind.PAYABLE, user_id=bob.id), 1_000_000)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    assert batch.payouts.get().address == ADDRESS


@pytest.mark.parametrize("address", ["", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "nonsense"])
def test_a_holder_without_an_address_of_this_network_keeps_others_from_nothing(address: str):
    left_out = owe_holder(9_000_000, address)
    owe_holder(1_000_000)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    assert batch.total_sat == 1_000
    assert held(left_out) == 9_000_000


def test_nothing_is_made_below_the_threshold_or_without_an_address():
    owe_holder(999_999)
    make_payable(make_account(Kind.PAYABLE, user_id=make_user("bob").id), 5_000_000)
    assert make_payout_batch(now=NOW) is None
    assert not PayoutBatch.objects.exists()


@pytest.mark.parametrize("state", [state for state in State if state not in {State.PAID, State.FAILED}])
def test_one_batch_is_on_its_way_at_a_time(state: PayoutBatch.State):
    make_batch(state=state, created_at=NOW - 9 * DAY)
    owe_holder(2_000_000)
    assert make_payout_batch(now=NOW) is None


def test_an_interval_lies_between_two_batches():
    make_batch(state=State.PAID)
    owe_holder(2_000_000)
    assert make_payout_batch(now=NOW + DAY - timedelta(seconds=1)) is None
    assert make_payout_batch(now=NOW + DAY) is not None


def test_a_batch_that_failed_on_chain_needs_no_interval():
    make_batch(state=State.FAILED, txid="ab" * 32)
    owe_holder(2_000_000)
    assert make_payout_batch(now=NOW) is not None


def test_the_same_money_is_not_paid_twice():
    owe_holder(2_000_000)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    PayoutBatch.objects.filter(id=batch.id).update(state=State.PAID)
    assert make_payout_batch(now=NOW + 2 * DAY) is None


def test_a_batch_above_the_limit_waits_for_somebody_else():
    maker, approver = make_user("bob"), make_user("alice")
    owe_holder(1_000_001_000)
    batch = make_payout_batch(now=NOW, maker=maker)
    assert batch is not None
    assert batch.state == State.PROPOSED
    with pytest.raises(SelfApprovalError):
        approve_payout_batch(batch_id=batch.id, approver=maker, now=NOW)
    approved = approve_payout_batch(batch_id=batch.id, approver=approver, now=NOW)
    assert (approved.state, approved.approver) == (State.APPROVED, approver)
    with pytest.raises(PayoutBatchStateError):
        approve_payout_batch(batch_id=batch.id, approver=approver, now=NOW)


def test_a_batch_of_exactly_the_limit_needs_no_approval():
    owe_holder(1_000_000_000)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    assert batch.state == State.APPROVED


def test_a_batch_that_does_not_exist_is_not_approved():
    with pytest.raises(PayoutBatchNotFoundError):
        approve_payout_batch(batch_id=uuid4(), approver=make_user("alice"), now=NOW)


def test_an_address_of_another_network_is_refused():
    with pytest.raises(PayoutAddressError):
        set_payout_address(user=make_user("bob"), address="1BoatSLRHtKNngkdXEeobR76b53LETtpyT", now=NOW)
    assert not PayoutAddress.objects.exists()


@pytest.mark.parametrize("is_member", [False, True])
def test_nobody_approves_their_own_payout(is_member: bool):
    alice = make_user("alice")
    account = owe_holder(1_000_001_000)
    assert account.holder is not None
    if is_member:
        Member.objects.create(holder=account.holder, user=alice, created_at=NOW)
    else:
        make_payable(make_account(Kind.PAYABLE, user_id=alice.id), 5_000_000)
        set_payout_address(user=alice, address=OTHER_ADDRESS, now=NOW)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    with pytest.raises(PayeeApprovalError):
        approve_payout_batch(batch_id=batch.id, approver=alice, now=NOW)
    batch.refresh_from_db()
    assert batch.state == State.PROPOSED


@pytest.mark.parametrize("owed_msat", [1_000_000_000, 1_000_001_000], ids=["approved", "proposed"])
def test_a_cancelled_batch_gives_its_amounts_back_until_the_next_interval(owed_msat: int):
    account = owe_holder(owed_msat)
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    assert cancel_payout_batch(batch_id=batch.id, now=NOW).state == State.FAILED
    assert (held(account), held(make_account(Kind.IN_TRANSIT))) == (owed_msat, 0)
    assert make_payout_batch(now=NOW + DAY - timedelta(seconds=1)) is None
    assert make_payout_batch(now=NOW + DAY) is not None


@pytest.mark.parametrize("state", [state for state in State if state not in {State.PROPOSED, State.APPROVED}])
def test_a_batch_that_may_be_paid_is_not_cancelled(state: PayoutBatch.State):
    batch = make_batch(state=state)
    with pytest.raises(PayoutBatchStateError):
        cancel_payout_batch(batch_id=batch.id, now=NOW)


def test_a_batch_is_as_large_as_one_transaction_can_pay(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(coins, "INPUTS_MAX", 2)
    settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 1_000
    for value_sat in (9_000, 8_000, 7_000):
        make_coin(value_sat=value_sat, state=WalletCoin.State.CREDITED)
    large, small, least = (owe_holder(amount_msat) for amount_msat in (11_000_000, 9_000_000, 1_000_000))
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    outputs = [Output(payout.amount_sat, bytes(34)) for payout in batch.payouts.all()]
    selection = coins.select_coins(outputs=outputs, change_script=bytes(22), rate_sat_per_kvb=1_000)
    assert len(selection.coins) == 2
    assert batch.payouts.get(account=large).amount_sat == 11_000
    assert 5_000 < batch.payouts.get(account=small).amount_sat < 6_000
    assert held(least) == 1_000_000
    assert held(small) == 9_000_000 - 1_000 * batch.payouts.get(account=small).amount_sat


def test_many_coins_are_no_limit_for_what_the_largest_of_them_pay(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(coins, "INPUTS_MAX", 2)
    settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 1_000
    for value_sat in (9_000, 8_000, 7_000):
        make_coin(value_sat=value_sat, state=WalletCoin.State.CREDITED)
    accounts = [owe_holder(amount_msat) for amount_msat in (5_000_000, 4_000_000)]
    batch = make_payout_batch(now=NOW)
    assert batch is not None
    assert batch.total_sat == 9_000
    assert [held(account) for account in accounts] == [0, 0]


def test_a_worker_that_another_one_overtook_makes_no_second_batch():
    """Another worker's batch appears between adding up and taking the lock, as it would without the second look."""
    owe_holder(2_000_000)
    others: list[PayoutBatch] = []
    is_overtaken = False

    def overtake(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal is_overtaken
        if not is_overtaken and "payouts_ledgeraccount" in sql and "IN_TRANSIT" in str(params):
            is_overtaken = True
            others.append(make_batch(state=State.APPROVED))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        assert make_payout_batch(now=NOW) is None
    assert list(PayoutBatch.objects.all()) == others


def test_a_wallet_whose_coins_are_all_too_small_pays_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(coins, "INPUTS_MAX", 2)
    for _ in range(3):
        make_coin(value_sat=1_000, state=WalletCoin.State.CREDITED)
    owe_holder(11_000_000)
    assert make_payout_batch(now=NOW) is None


def test_adding_up_takes_as_many_queries_for_many_payees_as_for_few(
    django_assert_max_num_queries: DjangoAssertNumQueries,
):
    for _ in range(6):
        owe_holder(2_000_000)
        bob = make_user("bob")
        set_payout_address(user=bob, address=ADDRESS, now=NOW)
        make_payable(make_account(Kind.PAYABLE, user_id=bob.id), 1_500_000)
    with django_assert_max_num_queries(1):
        payables = list_positive_payables(at_least_msat=1_500_000)
    assert sorted(payable.held_msat for payable in payables) == [1_500_000] * 6 + [2_000_000] * 6
    assert {payable.address for payable in payables} == {ADDRESS}
