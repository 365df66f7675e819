"""The closing account: exact, and wrong as soon as one side is."""

import pytest
from django.db import transaction

from payouts.models import Balance, LedgerAccount, PayoutBatch, WalletCoin
from payouts.selectors.closing import get_closing_account, get_line
from payouts.services.ledger import PostingDraft, post_entry
from tests.factories.payouts import NOW, fund_reader, make_account, make_batch, make_coin, make_user

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
