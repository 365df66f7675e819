"""Reports are decided once, with a reason; and digests are blocked and unblocked, with theirs."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from database.transactions import TransactionRequiredError
from storage.delivery import open_delivery
from storage.errors import (
    DigestBlockedAlreadyError,
    DigestBlockedError,
    DigestNotBlockedError,
    OwnReportError,
    ReasonMissingError,
    ReportNotFoundError,
    ReportStateError,
    ReportTooLargeError,
)
from storage.models import BlockedDigest, Link, Report
from storage.selectors import get_held_link
from storage.services.blocks import block_digest, block_digest_step, unblock_digest
from storage.services.erasure import release_links
from storage.services.reports import TEXT_CHARACTERS_MAX, dismiss_report, report_link, uphold_report
from tests.factories.storage import make_link
from tests.factories.users import NOW, make_user
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def reviewer() -> User:
    return make_user("reviewer", is_staff=True)


@pytest.fixture
def link() -> Link:
    return make_link(make_user("bob"))


@pytest.fixture
def report(link: Link) -> Report:
    return report_link(link_id=link.id, category=Report.Category.MALWARE, sealed=b"", text="", now=NOW)


def uphold(report: Report, reviewer: User, *, is_blocking: bool = False, reason: str = " It is. ") -> Report:
    return uphold_report(report_id=report.id, actor=reviewer, reason=reason, is_blocking=is_blocking, now=LATER)


def test_a_dismissed_report_changes_nothing_but_itself(report: Report, reviewer: User):
    decided = dismiss_report(report_id=report.id, actor=reviewer, reason=" It is not. ", now=LATER)

    assert (decided.state, decided.decided_by, decided.decided_at, decided.reason) == (
        Report.State.DISMISSED,
        reviewer,
        LATER,
        "It is not.",
    )
    assert get_held_link(report.link_id).disabled_at is None


def test_an_upheld_report_disables_the_link_and_its_bytes_go(report: Report, reviewer: User):
    decided = uphold(report, reviewer)

    link = Link.objects.get()
    assert (decided.state, decided.reason, link.disabled_at, link.release_at) == ("UPHELD", "It is.", LATER, LATER)
    assert not BlockedDigest.objects.exists()
    assert release_links(now=LATER) == 1


def test_an_upheld_report_may_block_the_digest(report: Report, reviewer: User):
    uphold(report, reviewer, is_blocking=True)

    block = BlockedDigest.objects.get()
    assert (bytes(block.sha256), block.blocked_by, block.reason) == (bytes(report.link.blob.sha256), reviewer, "It is.")


def test_a_second_report_may_block_what_is_blocked(report: Report, link: Link, reviewer: User):
    second = report_link(link_id=link.id, category=Report.Category.OTHER, sealed=b"", text="", now=NOW)

    uphold(report, reviewer, is_blocking=True)
    uphold(second, reviewer, is_blocking=True)

    assert BlockedDigest.objects.count() == 1


def test_a_report_is_decided_once_and_with_a_reason(report: Report, reviewer: User):
    with pytest.raises(ReasonMissingError):
        uphold(report, reviewer, reason="  ")
    uphold(report, reviewer)
    with pytest.raises(ReportStateError):
        uphold(report, reviewer)
    with pytest.raises(ReportStateError):
        dismiss_report(report_id=report.id, actor=reviewer, reason="No.", now=LATER)
    with pytest.raises(ReportNotFoundError):
        dismiss_report(report_id=uuid.uuid4(), actor=reviewer, reason="No.", now=LATER)


def test_nobody_decides_about_a_link_of_their_own(report: Report, link: Link):
    with pytest.raises(OwnReportError):
        dismiss_report(report_id=report.id, actor=link.owner, reason="It is mine.", now=LATER)


@pytest.mark.django_db(transaction=True)
def test_of_two_reviewers_at_once_one_decides(report: Report, reviewer: User):
    def dismiss() -> None:
        dismiss_report(report_id=report.id, actor=reviewer, reason="No.", now=LATER)

    errors = run_together([lambda: uphold(report, reviewer), dismiss])

    report.refresh_from_db()
    assert [type(error) for error in errors] == [ReportStateError]
    assert (report.state == "UPHELD") == (Link.objects.get().disabled_at is not None)


def test_a_text_has_its_limit(link: Link):
    with pytest.raises(ReportTooLargeError, match="2000"):
        report_link(
            link_id=link.id, category=Report.Category.OTHER, sealed=b"", text="x" * (TEXT_CHARACTERS_MAX + 1), now=NOW
        )


def test_the_database_refuses_a_decision_without_its_reason(report: Report):
    with pytest.raises(IntegrityError), transaction.atomic():
        Report.objects.update(state=Report.State.UPHELD)


def test_the_queue_is_read_by_an_index(report: Report):
    with CaptureQueriesContext(connection) as queries:
        list(Report.objects.filter(state=Report.State.OPEN).order_by("created_at", "id")[:50])
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {queries[0]['sql']}")
            plan = " ".join(str(row) for row in cursor.fetchall())
        assert "storage_report_open" in plan
        assert "TEMP B-TREE" not in plan


# --- Blocked digests ---


def test_a_blocked_digest_is_not_delivered_until_it_is_unblocked(link: Link, reviewer: User):
    sha256 = bytes(link.blob.sha256)
    block_digest(sha256=sha256, actor=reviewer, reason=" An order. ", now=NOW)

    with pytest.raises(DigestBlockedError):
        open_delivery(blob_id=link.blob_id, byte_range=None)
    with pytest.raises(DigestBlockedError):
        get_held_link(link.id)
    unblocked = unblock_digest(sha256=sha256, actor=reviewer, reason="It was lifted.", now=LATER)

    open_delivery(blob_id=link.blob_id, byte_range=None).chunks.close()
    assert (unblocked.reason, unblocked.unblocked_reason, unblocked.unblocked_at) == (
        "An order.",
        "It was lifted.",
        LATER,
    )


def test_a_digest_is_blocked_once_at_a_time_and_its_history_stays(reviewer: User):
    for moment in (NOW, LATER):
        block_digest(sha256=bytes(32), actor=reviewer, reason="An order.", now=moment)
        with pytest.raises(DigestBlockedAlreadyError):
            block_digest(sha256=bytes(32), actor=reviewer, reason="Another.", now=moment)
        unblock_digest(sha256=bytes(32), actor=reviewer, reason="Lifted.", now=moment)
    with pytest.raises(DigestNotBlockedError):
        unblock_digest(sha256=bytes(32), actor=reviewer, reason="Lifted.", now=LATER)

    assert [block.unblocked_at for block in BlockedDigest.objects.all()] == [LATER, NOW]


@pytest.mark.parametrize("decide", [block_digest, unblock_digest])
def test_a_block_and_its_repeal_give_their_reason(reviewer: User, decide: Callable[..., BlockedDigest]):
    with pytest.raises(ReasonMissingError):
        decide(sha256=bytes(32), actor=reviewer, reason=" ", now=NOW)


@pytest.mark.django_db(transaction=True)
def test_a_block_within_a_decision_is_a_step(reviewer: User):
    with pytest.raises(TransactionRequiredError):
        block_digest_step(sha256=bytes(32), actor=reviewer, reason="An order.", now=NOW)
