"""Looks up blobs, links and uploads."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet, Sum

from storage.errors import (
    BlobErasedError,
    BlobNotFoundError,
    LinkDisabledError,
    LinkNotFoundError,
    UploadExpiredError,
    UploadGoneError,
    UploadNotFoundError,
)
from storage.models import Blob, Link, StorageQuota, Upload

UNFINISHED_STATES = (Upload.State.RECEIVING, Upload.State.RECEIVED)


def get_blob(blob_id: uuid.UUID) -> Blob:
    """Return a blob whose bytes are kept.

    Raises BlobNotFoundError if there is none, BlobErasedError if its bytes were erased.
    """
    blob = Blob.objects.filter(id=blob_id).first()
    if blob is None:
        raise BlobNotFoundError
    if blob.erased_at is not None:
        raise BlobErasedError
    return blob


def get_link(link_id: uuid.UUID) -> Link:
    """Return a link that can be used, its blob and owner loaded; the blob may be erased.

    Raises LinkNotFoundError if there is none, LinkDisabledError if it was disabled.
    """
    link = Link.objects.select_related("blob", "owner").filter(id=link_id).first()
    if link is None:
        raise LinkNotFoundError
    if link.disabled_at is not None:
        raise LinkDisabledError
    return link


def list_links(*, owner_id: uuid.UUID) -> QuerySet[Link]:
    """Return a user's links, the newest first, without their manifests."""
    return Link.objects.filter(owner_id=owner_id).select_related("blob").defer("manifest")


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

    A blob counts for everybody who has a link to it, and no more once it was erased. An upload counts until it is
    removed, also when its time is over. Uploads are counted first: one that is completed between the two questions
    counts twice, never not at all.
    """
    uploads = Upload.objects.filter(owner_id=owner_id, state__in=UNFINISHED_STATES)
    unfinished_bytes = uploads.aggregate(total=Sum("length"))["total"] or 0
    links = Link.objects.filter(owner_id=owner_id)
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
