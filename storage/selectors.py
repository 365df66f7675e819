"""Looks up blobs, links and uploads."""

import uuid
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from storage.errors import (
    BlobErasedError,
    BlobNotFoundError,
    LinkDisabledError,
    LinkNotFoundError,
    UploadExpiredError,
    UploadGoneError,
    UploadNotFoundError,
)
from storage.models import Blob, Link, Multipart, Upload

UNFINISHED_STATES = (Upload.State.RECEIVING, Upload.State.IN_PARTS, Upload.State.RECEIVED)


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


def get_multipart(*, upload_id: uuid.UUID, owner_id: uuid.UUID) -> Multipart:
    """Return an upload in parts of this owner, with its upload, whatever became of it.

    Raises UploadNotFoundError if the owner has none with this id.
    """
    found = Multipart.objects.select_related("upload").filter(upload_id=upload_id, upload__owner_id=owner_id).first()
    if found is None:
        raise UploadNotFoundError
    return found
