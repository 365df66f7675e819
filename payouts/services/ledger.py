"""The one way into the ledger: entries and their reversals. docs/reference/ledger.md lists every event."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from database.amounts import AMOUNT_MAX
from database.transactions import require_transaction
from payouts.errors import EmptyEntryError, EntryExistsError, PostingError
from payouts.models import JournalEntry, LedgerAccount, Posting

Kind = LedgerAccount.Kind


@dataclass(frozen=True, slots=True)
class PostingDraft:
    """An amount above zero, in millisatoshi, from a debit account to a credit account."""

    debit: LedgerAccount
    credit: LedgerAccount
    amount_msat: int


def get_or_create_account(
    *, kind: LedgerAccount.Kind, now: datetime, holder_id: UUID | None = None, user_id: UUID | None = None
) -> LedgerAccount:
    """Return the account of a kind, and of a rights holder or a user where one is named: a step.

    Its code is the kind, followed by `:holder:<id>` or `:user:<id>`.
    """
    require_transaction()
    code = str(kind.value)
    if holder_id is not None:
        code += f":holder:{holder_id}"
    if user_id is not None:
        code += f":user:{user_id}"
    account, _ = LedgerAccount.objects.get_or_create(
        code=code, defaults={"kind": kind, "holder_id": holder_id, "user_id": user_id, "created_at": now}
    )
    return account


def post_entry(
    *,
    source_key: str,
    description: str,
    postings: Sequence[PostingDraft],
    now: datetime,
    reverses: JournalEntry | None = None,
) -> JournalEntry:
    """Write one event into the ledger: a step.

    Raises EmptyEntryError without postings, PostingError if an amount is out of range or stays on its account,
    EntryExistsError if the source key is in the ledger already.
    """
    require_transaction()
    if not postings:
        raise EmptyEntryError(f"The entry {source_key} has no posting.")
    for draft in postings:
        if not 0 < draft.amount_msat <= AMOUNT_MAX or draft.debit.id == draft.credit.id:
            raise PostingError(
                f"{source_key}: {draft.amount_msat} msat from {draft.debit.code} to {draft.credit.code} is no posting."
            )
    try:
        with transaction.atomic():
            entry = JournalEntry.objects.create(
                source_key=source_key, description=description, reverses=reverses, posted_at=now
            )
    except IntegrityError as error:
        raise EntryExistsError(f"The entry {source_key} is in the ledger already.") from error
    Posting.objects.bulk_create(
        Posting(entry=entry, debit=draft.debit, credit=draft.credit, amount_msat=draft.amount_msat)
        for draft in postings
    )
    return entry


def reverse_entry(*, source_key: str, description: str, now: datetime) -> JournalEntry:
    """Write the mirror image of an entry, once: a step.

    Raises EntryExistsError if it is reversed already, JournalEntry.DoesNotExist if it was never posted.
    """
    require_transaction()
    entry = JournalEntry.objects.get(source_key=source_key)
    postings = entry.postings.select_related("debit", "credit").order_by("id")
    return post_entry(
        source_key=f"reversal:{source_key}",
        description=description,
        postings=[PostingDraft(item.credit, item.debit, item.amount_msat) for item in postings],
        now=now,
        reverses=entry,
    )


def draft_signed(debit: LedgerAccount, credit: LedgerAccount, amount_msat: int) -> list[PostingDraft]:
    """Return the posting of an amount that may be zero (none) or negative (the other way round)."""
    if amount_msat == 0:
        return []
    if amount_msat < 0:
        debit, credit = credit, debit
    return [PostingDraft(debit, credit, abs(amount_msat))]
