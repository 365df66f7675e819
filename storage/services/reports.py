"""Readers' reports: taken without a name, read by a reviewer who has the key to them offline, decided with a reason."""

import uuid
from datetime import datetime

from django.db import transaction

from storage.errors import (
    OwnReportError,
    ReasonMissingError,
    ReportNotEncryptedError,
    ReportNotFoundError,
    ReportStateError,
    ReportTooLargeError,
)
from storage.models import BlockedDigest, Link, Report
from storage.selectors import check_standing, get_any_link
from storage.services.blocks import block_digest_step
from storage.services.link_changes import disable_link
from storage.services.links import AGE_FIRST_LINE
from users.models import User

SEALED_BYTES_MAX = 64 * 1024
TEXT_CHARACTERS_MAX = 2_000


def report_link(*, link_id: uuid.UUID, category: Report.Category, sealed: bytes, text: str, now: datetime) -> Report:
    """Take a report against a link. `sealed` is an age file to the reviewers, or empty; nobody here can open it.

    Raises ReportTooLargeError, ReportNotEncryptedError, LinkNotFoundError, LinkDeletedError, LinkDisabledError.
    """
    if len(sealed) > SEALED_BYTES_MAX:
        raise ReportTooLargeError(f"The sealed part of a report has at most {SEALED_BYTES_MAX} bytes.")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ReportTooLargeError(f"The text of a report has at most {TEXT_CHARACTERS_MAX} characters.")
    if sealed and not sealed.startswith(AGE_FIRST_LINE):
        raise ReportNotEncryptedError
    link = get_any_link(link_id)
    check_standing(link)
    return Report.objects.create(link=link, category=category, sealed=sealed, text=text, created_at=now)


def dismiss_report(*, report_id: uuid.UUID, actor: User, reason: str, now: datetime) -> Report:
    """Decide that a report changes nothing.

    Raises ReasonMissingError, ReportNotFoundError, OwnReportError, ReportStateError if it was decided before.
    """
    with transaction.atomic(durable=True):
        return _decide(report_id, Report.State.DISMISSED, actor=actor, reason=reason, now=now)


def uphold_report(*, report_id: uuid.UUID, actor: User, reason: str, is_blocking: bool, now: datetime) -> Report:
    """Decide that a report is right: the link is disabled, and with `is_blocking` its blob's digest is blocked.

    Raises ReasonMissingError, ReportNotFoundError, OwnReportError, ReportStateError if it was decided before.
    """
    with transaction.atomic(durable=True):
        report = _decide(report_id, Report.State.UPHELD, actor=actor, reason=reason, now=now)
        disable_link(link_id=report.link_id, now=now)
        sha256 = bytes(Link.objects.select_related("blob").get(id=report.link_id).blob.sha256)
        if is_blocking and not BlockedDigest.objects.filter(sha256=sha256, unblocked_at=None).exists():
            block_digest_step(sha256=sha256, actor=actor, reason=reason, now=now)
    return report


def _decide(report_id: uuid.UUID, state: Report.State, *, actor: User, reason: str, now: datetime) -> Report:
    """Move an open report to its decision: a step."""
    if not reason.strip():
        raise ReasonMissingError
    reports = Report.objects.filter(id=report_id)
    if reports.filter(link__owner=actor).exists():
        raise OwnReportError
    if not reports.filter(state=Report.State.OPEN).update(
        state=state, decided_by=actor, decided_at=now, reason=reason.strip()
    ):
        raise ReportStateError if reports.exists() else ReportNotFoundError
    return reports.get()
