"""Looks up blobs, links and uploads."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Sum

from storage.errors import (
    BlobErasedError,
    BlobNotFoundError,
    DigestBlockedError,
    LinkDeletedError,
    LinkDisabledError,
    LinkExpiredError,
    LinkNotFoundError,
    LinkUsedUpError,
    NotLinkOwnerError,
    ReportNotFoundError,
    UploadExpiredError,
    UploadGoneError,
    UploadNotFoundError,
)
from storage.models import Blob, BlockedDigest, Link, Report, StorageQuota, Upload

UNFINISHED_STATES = (Upload.State.RECEIVING, Upload.State.RECEIVED)


def get_blob(blob_id: uuid.UUID) -> Blob:
    """Return a blob whose bytes are kept.

    Raises BlobNotFoundError if there is none, BlobErasedError if its bytes were erased, DigestBlockedError if its
    digest is blocked.
    """
    blob = Blob.objects.annotate(is_blocked=_is_blocked("sha256")).filter(id=blob_id).first()
    if blob is None:
        raise BlobNotFoundError
    if blob.is_blocked:
        raise DigestBlockedError
    if blob.erased_at is not None:
        raise BlobErasedError
    return blob


def get_link(link_id: uuid.UUID, *, now: datetime) -> Link:
    """Return a link that a transfer may begin of, its blob and owner loaded.

    Raises LinkExpiredError, LinkUsedUpError, and what `get_held_link` raises.
    """
    link = get_held_link(link_id)
    check_open(expires_at=link.expires_at, transfers_left=link.transfers_left, now=now)
    return link


def get_held_link(link_id: uuid.UUID) -> Link:
    """Return a link that keeps its blob, its blob and owner loaded: what began before it ended may go on.

    Raises LinkNotFoundError if there is none, LinkDeletedError, LinkDisabledError, DigestBlockedError if the blob's
    digest is blocked, LinkExpiredError or LinkUsedUpError if the link was released since.
    """
    links = Link.objects.select_related("blob", "owner").annotate(is_blocked=_is_blocked("blob__sha256"))
    link = links.filter(id=link_id).first()
    if link is None:
        raise LinkNotFoundError
    check_standing(link)
    if link.is_blocked:
        raise DigestBlockedError
    if link.released_at is not None:
        raise LinkUsedUpError if link.expires_at is None or link.expires_at > link.released_at else LinkExpiredError
    return link


def get_any_link(link_id: uuid.UUID) -> Link:
    """Return a link, whatever has become of it, its blob loaded. Raises LinkNotFoundError."""
    link = Link.objects.select_related("blob").filter(id=link_id).first()
    if link is None:
        raise LinkNotFoundError
    return link


def get_own_link(*, link_id: uuid.UUID, owner_id: uuid.UUID) -> Link:
    """Return a link of this owner that nobody has ended, its blob loaded.

    Raises LinkNotFoundError, NotLinkOwnerError, LinkDeletedError, LinkDisabledError.
    """
    link = get_any_link(link_id)
    if link.owner_id != owner_id:
        raise NotLinkOwnerError
    check_standing(link)
    return link


def list_reports() -> QuerySet[Report]:
    """Return reports, the oldest first, with what a queue shows of them; what they seal is not read."""
    return Report.objects.select_related("link__blob", "link__owner", "decided_by").defer("sealed", "link__manifest")


def get_report(report_id: uuid.UUID) -> Report:
    """Return a report with all that its page shows. Raises ReportNotFoundError."""
    report = Report.objects.select_related("link__blob", "link__owner", "decided_by").filter(id=report_id).first()
    if report is None:
        raise ReportNotFoundError
    return report


def check_standing(link: Link) -> None:
    """Check that nobody has ended a link. Raises LinkDeletedError, LinkDisabledError."""
    if link.deleted_at is not None:
        raise LinkDeletedError
    if link.disabled_at is not None:
        raise LinkDisabledError


def check_open(*, expires_at: datetime | None, transfers_left: int | None, now: datetime) -> None:
    """Check that a transfer may begin. Raises LinkExpiredError, LinkUsedUpError."""
    if expires_at is not None and expires_at <= now:
        raise LinkExpiredError
    if transfers_left == 0:
        raise LinkUsedUpError


def describe_state(link: Link, *, now: datetime) -> str:
    """Return `open`, or in one word why no transfer of the link begins: `deleted`, `disabled`, `expired`, `used-up`."""
    if link.deleted_at is not None:
        return "deleted"
    if link.disabled_at is not None:
        return "disabled"
    if link.expires_at is not None and link.expires_at <= now:
        return "expired"
    return "used-up" if link.transfers_left == 0 or link.released_at is not None else "open"


def check_not_blocked(sha256: bytes) -> None:
    """Check that a digest is not blocked. Raises DigestBlockedError."""
    if BlockedDigest.objects.filter(sha256=sha256, unblocked_at=None).exists():
        raise DigestBlockedError


def _is_blocked(column: str) -> Exists:
    """Return the condition that the digest in a column is blocked."""
    return Exists(BlockedDigest.objects.filter(sha256=OuterRef(column), unblocked_at=None))


def list_links(*, owner_id: uuid.UUID) -> QuerySet[Link]:
    """Return a user's links that are not deleted, the newest first, without their manifests."""
    return Link.objects.filter(owner_id=owner_id, deleted_at=None).select_related("blob").defer("manifest")


def get_link_url(link_id: uuid.UUID) -> str:
    """Return the address of a link's share page, without the fragment that holds its key."""
    return f"{settings.CADASTRE_PUBLIC_URL}/f/{link_id}"


def get_upload(*, upload_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> Upload:
    """Return an upload of this owner that is under way or completed.

    Raises UploadNotFoundError if the owner has none with this id, UploadGoneError if it was terminated,
    UploadExpiredError if its time is over.
    """
    upload = Upload.objects.filter(id=upload_id, owner_id=owner_id).first()
    if upload is None:
        raise UploadNotFoundError
    if upload.state == Upload.State.TERMINATED:
        raise UploadGoneError
    if upload.state in UNFINISHED_STATES and upload.expires_at <= now:
        raise UploadExpiredError
    return upload


@dataclass(frozen=True)
class StorageUse:
    """What a person keeps and may keep. `quota_bytes` is None where there is no limit."""

    used_bytes: int
    quota_bytes: int | None
    uploads_unfinished: int
    uploads_unfinished_max: int


def get_storage_use(*, owner_id: uuid.UUID, now: datetime) -> StorageUse:
    """Return what a person keeps and may keep, counted from the rows."""
    quota = StorageQuota.objects.filter(owner_id=owner_id).first() or StorageQuota(owner_id=owner_id)
    return StorageUse(
        used_bytes=count_used_bytes(owner_id=owner_id),
        quota_bytes=get_quota_bytes(quota),
        uploads_unfinished=count_unfinished_uploads(owner_id=owner_id, now=now),
        uploads_unfinished_max=get_uploads_unfinished_max(quota),
    )


def count_used_bytes(*, owner_id: uuid.UUID) -> int:
    """Return how much a person keeps: what unfinished uploads will have, and each blob of a link once.

    A blob counts for everybody who has a link that keeps it, and no more once it was erased. An upload counts until it
    is removed, also when its time is over. Uploads are counted first: one that is completed between the two questions
    counts twice, never not at all.
    """
    uploads = Upload.objects.filter(owner_id=owner_id, state__in=UNFINISHED_STATES)
    unfinished_bytes = uploads.aggregate(total=Sum("length"))["total"] or 0
    links = Link.objects.filter(owner_id=owner_id, released_at=None)
    blobs = Blob.objects.filter(id__in=links.values("blob_id"), erased_at=None)
    return int(unfinished_bytes) + int(blobs.aggregate(total=Sum("length"))["total"] or 0)


def count_unfinished_uploads(*, owner_id: uuid.UUID, now: datetime) -> int:
    """Return how many uploads of a person are under way and not expired."""
    return Upload.objects.filter(owner_id=owner_id, state__in=UNFINISHED_STATES, expires_at__gt=now).count()


def get_quota_bytes(quota: StorageQuota) -> int | None:
    """Return how many bytes a person may keep, or None for any number."""
    found: int = settings.CADASTRE_STORAGE_QUOTA_BYTES if quota.bytes_max is None else quota.bytes_max
    return found or None


def get_uploads_unfinished_max(quota: StorageQuota) -> int:
    """Return how many unfinished uploads a person may have."""
    found: int = quota.uploads_unfinished_max or settings.CADASTRE_UPLOADS_UNFINISHED_MAX
    return found
