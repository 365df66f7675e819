"""Statements: what each payee earned in a run of settled windows, registered so that it cannot be rewritten."""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from payouts.models import LedgerAccount, SettlementLine, SettlementWindow, Statement
from registry.models import Record
from registry.services.records import format_time, register_document

DOCUMENT_TYPE = "cadastre/statement/v1"
NO_WINDOW = -1


def make_statements(*, now: datetime) -> list[Statement]:
    """Make a statement for every payable account that has a line in the windows settled since its last one.

    Each is a transaction of its own, and continues where the account's last statement ended.
    """
    last_settled = SettlementWindow.objects.filter(state=SettlementWindow.State.SETTLED).aggregate(last=Max("number"))[
        "last"
    ]
    if last_settled is None:
        return []
    stated = Statement.objects.filter(account=OuterRef("pk")).order_by("-number").values("last_window")
    lines = SettlementLine.objects.filter(
        account=OuterRef("pk"), window_id__gt=OuterRef("stated"), window_id__lte=last_settled
    )
    due = (
        LedgerAccount.objects.filter(kind=LedgerAccount.Kind.PAYABLE)
        .annotate(stated=Coalesce(Subquery(stated[:1]), Value(NO_WINDOW)))
        .filter(Exists(lines))
    )
    made = [make_statement(account=account, last_window=last_settled, now=now) for account in due.order_by("code")]
    return [statement for statement in made if statement is not None]


def make_statement(*, account: LedgerAccount, last_window: int, now: datetime) -> Statement | None:
    """State what one account earned up to a settled window, or return None if nothing since its last statement."""
    with transaction.atomic(durable=True):
        # One statement of an account at a time: the next one begins where this one ends.
        LedgerAccount.objects.select_for_update(no_key=True).get(id=account.id)
        previous = Statement.objects.filter(account=account).order_by("-number").first()
        first_window = 0 if previous is None else previous.last_window + 1
        lines = SettlementLine.objects.filter(
            account=account, window_id__gte=first_window, window_id__lte=last_window
        ).order_by("window_id", "work_id", "policy_id", "record_id", "position", "id")
        described = [_describe(line) for line in lines]
        if not described:
            return None
        number = 0 if previous is None else previous.number + 1
        total_msat = sum(line.amount_msat for line in lines)
        document = {
            "type": DOCUMENT_TYPE,
            "account": account.code,
            "number": str(number),
            "first_window": str(first_window),
            "last_window": str(last_window),
            "made_at": format_time(now),
            "lines": described,
            "total_msat": str(total_msat),
        }
        return Statement.objects.create(
            account=account,
            number=number,
            first_window=first_window,
            last_window=last_window,
            total_msat=total_msat,
            record=register_document(kind=Record.Kind.STATEMENT, document=document, now=now),
            made_at=now,
        )


def _describe(line: SettlementLine) -> dict[str, str]:
    """Return a line as the document has it; amounts are decimal strings."""
    return {
        "window": str(line.window_id),
        "work": str(line.work_id),
        "policy": str(line.policy_id),
        "record": str(line.record_id),
        "position": str(line.position),
        "transfers": str(line.transfer_count),
        "gross_msat": str(line.gross_msat),
        "amount_msat": str(line.amount_msat),
    }
