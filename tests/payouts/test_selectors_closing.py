"""The closing account: exact, and wrong as soon as one side is."""

import threading

import pytest
from django.db import connection, transaction

from payouts.models import Balance, LedgerAccount, PayoutBatch, WalletCoin
from payouts.selectors.closing import CoinTotal, get_closing_account, get_line
from payouts.services.ledger import PostingDraft, post_entry
from tests.factories.payouts import NOW, fund_reader, make_account, make_batch, make_coin, make_user
from tests.threads import run_together

Kind = LedgerAccount.Kind


@pytest.mark.django_db(transaction=True)
def test_nothing_is_balanced_and_read_at_one_moment():
    account = get_closing_account()
    assert account.is_balanced
    assert account.chain.total_msat == account.ledger.total_msat == 0


@pytest.mark.django_db
def test_a_deposit_is_on_both_sides():
    fund_reader(make_user("carol"), 7)
    account = get_closing_account()
    assert account.is_balanced
    assert get_line(account.chain, "COINS") == get_line(account.ledger, "READERS") == 7_000


@pytest.mark.django_db
@pytest.mark.parametrize("state", [WalletCoin.State.SEEN, WalletCoin.State.UNDONE])
def test_coins_that_are_not_credited_are_on_neither_side(state: WalletCoin.State):
    make_coin(value_sat=7, state=state)
    assert get_closing_account().is_balanced
    assert get_closing_account().chain.deposits_msat == 0


@pytest.mark.django_db
def test_coins_that_are_never_credited_are_counted_beside_both_sides():
    unknown, dust = WalletCoin.Kind.UNKNOWN, WalletCoin.Kind.DUST
    for value_sat, fields in (
        (7, {"kind": unknown}),
        (8, {"kind": unknown}),
        (16, {"kind": unknown, "state": WalletCoin.State.UNDONE}),
        (32, {"kind": dust}),
        (64, {"kind": dust, "state": WalletCoin.State.UNDONE}),
    ):
        make_coin(value_sat=value_sat, **fields)
    account = get_closing_account()
    assert account.unattributed == CoinTotal(count=2, sum_msat=15_000)
    assert account.dust == CoinTotal(count=1, sum_msat=32_000)
    assert account.is_balanced
    assert account.chain.deposits_msat == 0


@pytest.mark.django_db
def test_a_coin_of_nobody_that_somebody_spends_is_a_foreign_spend_and_no_longer_held():
    make_coin(value_sat=7, kind=WalletCoin.Kind.UNKNOWN, spent_txid="ab" * 32)
    account = get_closing_account()
    assert (account.unattributed.count, account.foreign_spends_msat) == (0, 7_000)


@pytest.mark.django_db
def test_a_coin_without_its_entry_is_found_out():
    make_coin(value_sat=7, state=WalletCoin.State.CREDITED)
    assert not get_closing_account().is_balanced


@pytest.mark.django_db
def test_a_payout_without_its_entry_is_found_out():
    make_batch(state=PayoutBatch.State.PAID, fee_sat=1)
    assert not get_closing_account().is_balanced


@pytest.mark.django_db
def test_a_changed_balance_row_is_found_out():
    carol = make_user("carol")
    fund_reader(carol, 7)
    Balance.objects.filter(user=carol).update(balance_msat=7_001)
    assert not get_closing_account().is_balanced


@pytest.mark.django_db
def test_a_forged_entry_is_found_out():
    draft = PostingDraft(make_account(Kind.DEPOSITS), make_account(Kind.PLATFORM), 1)
    with transaction.atomic():
        post_entry(source_key="forged", description="Forged", postings=[draft], now=NOW)
    assert not get_closing_account().is_balanced


@pytest.mark.django_db
@pytest.mark.parametrize(("state", "foreign_msat"), [(PayoutBatch.State.MINED, 0), (PayoutBatch.State.FAILED, 7_000)])
def test_a_spend_by_a_failed_batch_is_not_ours(state: PayoutBatch.State, foreign_msat: int):
    coin = fund_reader(make_user("carol"), 7)
    coin.spent_by, coin.spent_txid = make_batch(state=state, txid="ab" * 32), "ab" * 32
    coin.save()
    account = get_closing_account()
    assert (account.foreign_spends_msat, account.is_balanced) == (foreign_msat, foreign_msat == 0)


@pytest.mark.django_db(transaction=True)
def test_it_is_read_beside_a_writer_without_waiting_for_it():
    fund_reader(make_user("carol"), 7)
    is_writing, is_read = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            Balance.objects.update(balance_msat=1)
            is_writing.set()
            assert is_read.wait(timeout=60)

    def read() -> None:
        assert is_writing.wait(timeout=60)
        try:
            with connection.cursor() as cursor:
                if connection.vendor == "sqlite":
                    # Whoever wanted the write lock would fail at once.
                    cursor.execute("PRAGMA busy_timeout = 0")
            assert get_closing_account().is_balanced
        finally:
            is_read.set()

    assert run_together([write, read]) == []
    assert not get_closing_account().is_balanced
