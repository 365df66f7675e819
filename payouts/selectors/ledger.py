"""Reads balances from postings, and exports the ledger for whoever wants to replay it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import BigIntegerField, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Coalesce

from payouts.models import JournalEntry, LedgerAccount, PayoutAddress, Posting

EXPORT_CHUNK_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What was posted to an account, in millisatoshi."""

    debits_msat: int
    credits_msat: int

    @property
    def credit_balance_msat(self) -> int:
        """Credits less debits: what an account of the liabilities' side holds."""
        return self.credits_msat - self.debits_msat

    @property
    def debit_balance_msat(self) -> int:
        """Debits less credits: what DEPOSITS and RECEIVABLE hold."""
        return self.debits_msat - self.credits_msat


@dataclass(frozen=True, slots=True)
class Payable:
    """A payee's account, what it holds in millisatoshi, and where the payee is paid; "" if that is not known."""

    account: LedgerAccount
    held_msat: int
    address: str


def get_balance(account: LedgerAccount) -> AccountBalance:
    """Return one account's totals."""
    return AccountBalance(
        debits_msat=sum_amounts(Posting.objects.filter(debit=account)),
        credits_msat=sum_amounts(Posting.objects.filter(credit=account)),
    )


def get_balances_by_kind() -> dict[LedgerAccount.Kind, AccountBalance]:
    """Return the totals of every kind of account, those without postings included."""
    debited = _sum_by(Posting.objects.all(), "debit__kind")
    credited = _sum_by(Posting.objects.all(), "credit__kind")
    return {
        kind: AccountBalance(debits_msat=debited.get(kind.value, 0), credits_msat=credited.get(kind.value, 0))
        for kind in LedgerAccount.Kind
    }


def list_positive_payables(*, at_least_msat: int) -> list[Payable]:
    """Return the PAYABLE accounts that hold at least so much, in order of their codes, by one query."""
    newest = PayoutAddress.objects.filter(user=OuterRef("user")).order_by("-created_at", "-id").values("address")
    accounts = (
        LedgerAccount.objects.filter(kind=LedgerAccount.Kind.PAYABLE)
        .annotate(
            held_msat=_sum_of("credit") - _sum_of("debit"),
            address=Coalesce("holder__payout_address", Subquery(newest[:1]), Value("")),
        )
        .filter(held_msat__gte=at_least_msat)
    )
    return [Payable(account, int(account.held_msat), account.address) for account in accounts.order_by("code")]


def get_credit_balances(account_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Return credits less debits of the accounts that were ever posted to, in millisatoshi."""
    credited = _sum_by(Posting.objects.filter(credit__in=account_ids), "credit")
    debited = _sum_by(Posting.objects.filter(debit__in=account_ids), "debit")
    return {key: credited.get(key, 0) - debited.get(key, 0) for key in credited.keys() | debited.keys()}


def iterate_export_lines() -> Iterator[bytes]:
    """Yield the ledger as payouts.rules.replay reads it: one JSON object with a line break for each entry.

    Entries come in the order of their keys, which is the order in which they were posted.
    """
    entries = JournalEntry.objects.select_related("reverses").prefetch_related("postings__debit", "postings__credit")
    for entry in entries.order_by("id").iterator(chunk_size=EXPORT_CHUNK_ROWS):
        members = {
            "source_key": entry.source_key,
            "posted_at": entry.posted_at.isoformat(),
            "description": entry.description,
            "reverses": entry.reverses.source_key if entry.reverses else None,
            "postings": [
                {"debit": item.debit.code, "credit": item.credit.code, "amount_msat": str(item.amount_msat)}
                for item in entry.postings.all()
            ],
        }
        yield json.dumps(members, separators=(",", ":")).encode() + b"\n"


def sum_amounts(rows: QuerySet[Posting]) -> int:
    """Return the sum of the rows' amounts. PostgreSQL sums bigint as numeric, hence the conversion."""
    return int(rows.aggregate(total=Sum("amount_msat"))["total"] or 0)


def _sum_by(rows: QuerySet[Posting], column: str) -> dict[Any, int]:
    sums = rows.order_by().values_list(column).annotate(total=Sum("amount_msat"))
    return {key: int(total) for key, total in sums}


def _sum_of(side: str) -> Coalesce:
    """Return what an account's postings on one side add up to. PostgreSQL sums bigint as numeric, hence the cast."""
    rows = Posting.objects.filter(**{side: OuterRef("pk")}).order_by().values(side)
    total = rows.annotate(total=Cast(Sum("amount_msat"), BigIntegerField())).values("total")
    return Coalesce(Subquery(total), Value(0), output_field=BigIntegerField())
