"""Settlement windows: which one is open, and when it closes.

A charge stamps the open window under a shared lock; closing takes the row exclusively. So once a window is CLOSED,
every microtransaction of it has been committed. SQLite has one writer at a time, which gives the same without locks.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from database.transactions import require_transaction
from payouts.errors import WindowStateError
from payouts.models import Microtransaction, Refund, SettlementWindow

STAMP_ATTEMPTS_MAX = 5
"""How often a window may close under a waiting charge before the charge gives up."""

_SHARE_OPEN_WINDOW = (
    "SELECT number FROM payouts_settlementwindow WHERE state = 'OPEN'"  # the lock follows where the engine has one
)


def open_first_window(*, now: datetime) -> SettlementWindow:
    """Open window 0 unless there are windows already, and return it: a step."""
    require_transaction()
    window, _ = SettlementWindow.objects.get_or_create(number=0, defaults={"opened_at": now})
    return window


def stamp_open_window(*, now: datetime) -> int:
    """Return the open window's number and keep it open until the caller's transaction ends: a step.

    The first charge of all opens window 0. Raises WindowStateError if no window stays open long enough.
    """
    require_transaction()
    for _ in range(STAMP_ATTEMPTS_MAX):
        number = _lock_open_window()
        if number is not None:
            return number
        # Either there is no window yet, or it was closed while this waited for it: then the next one is visible now.
        open_first_window(now=now)
    raise WindowStateError("No settlement window stayed open.")


def close_window(*, now: datetime, is_early: bool = False) -> SettlementWindow | None:
    """Close the open window and open the next; return the closed one, or None if none is due.

    A window is due once CADASTRE_WINDOW_SECONDS have passed and it has something to settle; `is_early` is an operator's
    wish not to wait for the time.
    """
    with transaction.atomic(durable=True):
        window = SettlementWindow.objects.select_for_update().filter(state=SettlementWindow.State.OPEN).first()
        if window is None:
            return None
        if not is_early and window.opened_at + timedelta(seconds=settings.CADASTRE_WINDOW_SECONDS) > now:
            return None
        counted = (Microtransaction.objects, Refund.objects)
        if not any(rows.filter(window=window.number).exists() for rows in counted):
            return None
        window.state = SettlementWindow.State.CLOSED
        window.closed_at = now
        window.save(update_fields=["state", "closed_at"])
        SettlementWindow.objects.create(number=window.number + 1, opened_at=now)
        return window


def _lock_open_window() -> int | None:
    """Return the open window's number, locked against closing where the engine locks rows."""
    lock = " FOR SHARE" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(_SHARE_OPEN_WINDOW + lock)
        row = cursor.fetchone()
    return None if row is None else int(row[0])
