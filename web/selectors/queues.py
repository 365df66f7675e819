"""What waits for each sweep, and for how long: the rows are the queues, so this is all that there is to know."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, Max, Min, OuterRef, QuerySet

from payouts.models import (
    LedgerAccount,
    Microtransaction,
    PayoutBatch,
    Refund,
    SettlementLine,
    SettlementWindow,
    Statement,
)
from registry.models import Anchor, Batch, Claim, Record
from storage.models import Blob, Link, Multipart, Report, Upload
from storage.selectors import OVER_STATES

REVIEW = "review"
"""In place of a sweep's name: these rows wait for a person, so that they are no sign of a sweep that stopped."""

NO_WINDOW = -1


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows that wait for one sweep: how many, and for how many seconds the oldest has been due; 0 when none is.

    `sweep` is the task's name; `name` names the queue to programs, `what` to people.
    """

    sweep: str
    name: str
    what: str
    count: int
    oldest_seconds: int

    @property
    def is_for_people(self) -> bool:
        """Whether these rows wait for a person's decision."""
        return self.sweep == REVIEW


@dataclass(frozen=True, slots=True)
class _Queue:
    """The rows that are due for a sweep, and the column that says since when, plus a delay in seconds."""

    sweep: str
    name: str
    what: str
    rows: QuerySet[Any]
    since: str
    delay_seconds: int = 0


def list_waiting(*, now: datetime) -> tuple[Waiting, ...]:
    """Return every queue, in the order in which a file goes through them. One query each."""
    return tuple(_measure(queue, now=now) for queue in _list_queues(now))


def seconds_since(moment: datetime | None, now: datetime) -> int:
    """Return whole seconds since a moment, 0 for none and for a clock that runs behind."""
    return 0 if moment is None else max(0, int((now - moment).total_seconds()))


def _list_queues(now: datetime) -> Iterator[_Queue]:
    yield _Queue(
        "storage.expire_uploads",
        "uploads_expired",
        "expired uploads for removal",
        Upload.objects.filter(state__in=[Upload.State.RECEIVING, Upload.State.RECEIVED], expires_at__lte=now),
        "expires_at",
    )
    yield from _list_multipart_queues(now)
    released = Link.objects.filter(release_at__lte=now, released_at=None)
    yield _Queue("storage.release_links", "links_ended", "links to release", released, "release_at")
    # What an upload in parts waits for stays until that has its link, or is over.
    awaiting = Upload.objects.filter(sha256=OuterRef("sha256"), state=Upload.State.RECEIVED, multipart__isnull=False)
    erased = Blob.objects.filter(~Exists(awaiting), erased_at__isnull=False, removed_at=None)
    yield _Queue("storage.release_links", "blobs_erased", "blobs for removal", erased, "erased_at")
    yield from _list_registry_queues()
    yield from _list_payout_queues(now)
    reports = Report.objects.filter(state=Report.State.OPEN)
    yield _Queue(REVIEW, "reports", "reports for a reviewer", reports, "created_at")
    yield _Queue(
        REVIEW, "claims", "claims for a reviewer", Claim.objects.filter(state=Claim.State.SUBMITTED), "submitted_at"
    )


def _list_multipart_queues(now: datetime) -> Iterator[_Queue]:
    states = Multipart.State
    expired = Upload.objects.filter(state=Upload.State.IN_PARTS, expires_at__lte=now)
    expired = expired.exclude(multipart__state=states.CLOSED)
    yield _Queue("storage.expire_multiparts", "multiparts_expired", "expired uploads in parts", expired, "expires_at")
    closed = Multipart.objects.filter(state=states.CLOSED)
    yield _Queue(
        "storage.verify_multiparts", "multiparts_closed", "uploads in parts to be verified", closed, "closed_at"
    )
    over = Multipart.objects.filter(state__in=OVER_STATES, cleared_at=None)
    yield _Queue(
        "storage.clear_multiparts", "multiparts_over", "uploads in parts to be cleared", over, "upload__expires_at"
    )


def _list_registry_queues() -> Iterator[_Queue]:
    blobs = Blob.objects.filter(record=None)
    yield _Queue("registry.register_blobs", "blobs", "blobs for a record", blobs, "created_at")
    records = Record.objects.filter(batch=None)
    yield _Queue("registry.seal_batches", "records", "records for a batch", records, "registered_at")
    # Another network's rows wait for that network's workers, and what another batch continues waits no more.
    batches = Batch.objects.filter(register__network=settings.CADASTRE_NETWORK, continued_by=None)
    opened = batches.filter(state=Batch.State.OPEN)
    yield _Queue("registry.seal_batches", "batches_open", "open batches for their seal", opened, "opened_at")
    sealed = batches.filter(state=Batch.State.SEALED, anchor=None)
    yield _Queue("registry.send_anchors", "batches", "batches for an anchor", sealed, "sealed_at")
    anchors = Anchor.objects.filter(batch__register__network=settings.CADASTRE_NETWORK, batch__continued_by=None)
    signed = anchors.filter(state=Anchor.State.SIGNED)
    yield _Queue("registry.send_anchors", "anchors_signed", "signed anchors to be sent", signed, "changed_at")
    sent = anchors.filter(state=Anchor.State.BROADCAST)
    yield _Queue("registry.follow_chain", "anchors", "anchors for a block", sent, "changed_at")
    mined = anchors.filter(state=Anchor.State.MINED)
    yield _Queue("registry.follow_chain", "anchors_mined", "anchors for their confirmations", mined, "changed_at")


def _list_payout_queues(now: datetime) -> Iterator[_Queue]:
    window_seconds = settings.CADASTRE_WINDOW_SECONDS
    due = SettlementWindow.objects.filter(
        Exists(Microtransaction.objects.filter(window=OuterRef("number")))
        | Exists(Refund.objects.filter(window=OuterRef("number"))),
        state=SettlementWindow.State.OPEN,
        opened_at__lte=now - timedelta(seconds=window_seconds),
    )
    yield _Queue("payouts.close_windows", "windows_open", "windows to close", due, "opened_at", window_seconds)
    closed = SettlementWindow.objects.filter(state=SettlementWindow.State.CLOSED)
    yield _Queue("payouts.settle_windows", "windows", "windows for settlement", closed, "closed_at")
    yield _Queue("payouts.make_statements", "windows_settled", "windows for statements", _list_unstated(), "settled_at")
    states = PayoutBatch.State
    ready = PayoutBatch.objects.filter(state__in=[states.APPROVED, states.SIGNED])
    yield _Queue("payouts.send_payouts", "payout_batches_signed", "payout batches to be sent", ready, "changed_at")
    sent = PayoutBatch.objects.filter(state__in=[states.BROADCAST, states.UNKNOWN])
    yield _Queue("payouts.follow_chain", "payout_batches", "payout batches for a block", sent, "changed_at")
    proposed = PayoutBatch.objects.filter(state=states.PROPOSED)
    yield _Queue(REVIEW, "payout_batches_proposed", "payout batches for an approver", proposed, "changed_at")


def _list_unstated() -> QuerySet[SettlementWindow]:
    """Return the settled windows that gave payees something, and that no statement reaches yet."""
    stated = Statement.objects.aggregate(last=Max("last_window"))["last"]
    lines = SettlementLine.objects.filter(window=OuterRef("pk"), account__kind=LedgerAccount.Kind.PAYABLE)
    return SettlementWindow.objects.filter(
        Exists(lines), state=SettlementWindow.State.SETTLED, number__gt=NO_WINDOW if stated is None else stated
    )


def _measure(queue: _Queue, *, now: datetime) -> Waiting:
    found = queue.rows.order_by().aggregate(count=Count("pk"), oldest=Min(queue.since))
    waited = seconds_since(found["oldest"], now)
    return Waiting(
        sweep=queue.sweep,
        name=queue.name,
        what=queue.what,
        count=found["count"],
        oldest_seconds=max(0, waited - queue.delay_seconds),
    )
