"""The rows of money: how each names itself, and what the tables refuse."""

from uuid import UUID

import pytest
from django.db import IntegrityError, models, transaction

from payouts.models import (
    Balance,
    Carry,
    DepositAddress,
    Entitlement,
    JournalEntry,
    LedgerAccount,
    Microtransaction,
    OpenTransfer,
    Payout,
    PayoutAddress,
    PayoutBatch,
    Posting,
    Refund,
    SettlementLine,
    SettlementWindow,
    Statement,
    WalletCoin,
)
from tests.factories.payouts import NOW, make_account, make_batch, make_holder, make_microtransaction, make_user

KEY = UUID("01920000-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (Balance(balance_msat=7), "7 msat"),
        (Carry(posted_msat=7), "7 msat"),
        (DepositAddress(address="bcrt1q"), "bcrt1q"),
        (Entitlement(id=KEY), str(KEY)),
        (JournalEntry(source_key="deposit:1"), "deposit:1"),
        (LedgerAccount(code="READERS"), "READERS"),
        (Microtransaction(amount_msat=7, reason=Microtransaction.Reason.PRICE), "7 msat price"),
        (OpenTransfer(transfer_id=KEY), str(KEY)),
        (Payout(amount_sat=7), "7 sat"),
        (PayoutAddress(address="bcrt1q"), "bcrt1q"),
        (PayoutBatch(id=KEY), str(KEY)),
        (PayoutBatch(id=KEY, txid="ab" * 32), "ab" * 32),
        (Posting(amount_msat=7), "7 msat"),
        (Refund(amount_msat=7), "7 msat"),
        (SettlementLine(amount_msat=-7), "-7 msat"),
        (SettlementWindow(number=7), "window 7"),
        (Statement(number=7), "statement 7"),
        (WalletCoin(txid="ab" * 32, vout=7), f"{'ab' * 32}:7"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, models.Model) else "",
)
def test_a_row_names_itself_without_a_query(row: models.Model, name: str):
    assert str(row) == name


@pytest.mark.django_db
def test_two_windows_are_never_open():
    SettlementWindow.objects.create(number=0, opened_at=NOW)

    with pytest.raises(IntegrityError), transaction.atomic():
        SettlementWindow.objects.create(number=1, opened_at=NOW)


@pytest.mark.django_db
def test_a_posting_needs_two_accounts_and_an_amount():
    readers, platform = (make_account(kind) for kind in (LedgerAccount.Kind.READERS, LedgerAccount.Kind.PLATFORM))
    entry = JournalEntry.objects.create(source_key="one", description="One", posted_at=NOW)

    with pytest.raises(IntegrityError, match="payouts_posting_two_accounts"), transaction.atomic():
        Posting.objects.create(entry=entry, debit=readers, credit=readers, amount_msat=1)
    with pytest.raises(IntegrityError, match="payouts_posting_amount_positive"), transaction.atomic():
        Posting.objects.create(entry=entry, debit=readers, credit=platform, amount_msat=0)
    assert not Posting.objects.exists()


@pytest.mark.django_db
def test_an_account_has_one_owner_at_most():
    user, holder = make_user("alice"), make_holder("Alice's Archive")

    with pytest.raises(IntegrityError, match="payouts_account_one_owner"), transaction.atomic():
        LedgerAccount.objects.create(
            kind=LedgerAccount.Kind.PAYABLE, code="PAYABLE:both", user=user, holder=holder, created_at=NOW
        )


@pytest.mark.django_db
def test_a_transfer_is_refunded_once():
    paid = make_microtransaction(amount_msat=5, reason=Microtransaction.Reason.PRICE)
    fields = {
        "microtransaction_id": paid.id,
        "payer_id": KEY,
        "record_id": KEY,
        "work_id": KEY,
        "policy_id": KEY,
        "uploader_id": KEY,
        "window": 0,
        "created_at": NOW,
    }
    Refund.objects.create(amount_msat=5, **fields)

    with pytest.raises(IntegrityError), transaction.atomic():
        Refund.objects.create(amount_msat=5, **fields)
    assert Refund.objects.count() == 1


@pytest.mark.django_db
def test_an_account_is_paid_once_by_a_batch():
    payout = make_batch(state=PayoutBatch.State.PROPOSED).payouts.get()

    with pytest.raises(IntegrityError), transaction.atomic():
        Payout.objects.create(
            batch=payout.batch, account=payout.account, address=payout.address, amount_sat=1, created_at=NOW
        )
    assert Payout.objects.count() == 1
