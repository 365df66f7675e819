"""Links: how an upload becomes a blob that can be shared, and how a blob is shared once more."""

import os
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.db import transaction

from storage.digest import Digest
from storage.errors import (
    BlobErasedError,
    DigestMismatchError,
    ExpiryOutOfRangeError,
    LinkNotFoundError,
    ManifestNotEncryptedError,
    ManifestTooLargeError,
    PriceOutOfRangeError,
    TransfersMaxOutOfRangeError,
    UploadCompletedError,
    UploadGoneError,
    UploadLostError,
    UploadUnfinishedError,
)
from storage.models import Blob, Link, Upload
from storage.partials import get_partial_path, lock_blob, remove_partial
from storage.selectors import check_not_blocked, check_standing, get_upload
from storage.services.uploads import digest_upload, get_storage_name
from users.models import User

PRICE_MSAT_MAX = 21 * 10**17
TRANSFERS_MAX_MAX = 2**63 - 1
EXPIRY_DAYS_MAX = 36_525
# The first line of every age file (C2SP, age-encryption.org/v1).
AGE_FIRST_LINE = b"age-encryption.org/v1\n"


class _MovableFile(File[bytes]):
    """A file that a storage on the same file system may take over by renaming it."""

    def temporary_file_path(self) -> str:
        """Return the path, under the name that Django's storages look for."""
        return str(self.name)


@dataclass(frozen=True, kw_only=True)
class LinkDraft:
    """What a link is made with. `seal` is 32 bytes, zeros if there is none; None means no limit, or no token."""

    price_msat: int
    manifest: bytes
    seal: bytes
    expires_at: datetime | None = None
    transfers_max: int | None = None
    deletion_token_sha256: bytes | None = None


def complete_upload(*, upload_id: uuid.UUID, owner: User, draft: LinkDraft, expected: Digest, now: datetime) -> Link:
    """Make a finished upload into a blob and a link to it.

    The bytes are moved to where blobs live first, under a name that follows from them; then blob, link and upload
    change in one transaction. A crash between the two is healed by repeating the call, and a call repeated after
    success returns the same link. Bytes of an erased blob that arrive again are kept again. Raises what `check_draft`
    raises, UploadUnfinishedError, DigestMismatchError, DigestBlockedError, UploadLostError, UploadCompletedError if the
    upload was made into another link, UploadGoneError if a sweep removes it meanwhile, and what `get_upload` raises.
    """
    check_draft(draft, now=now)
    upload = get_upload(upload_id=upload_id, owner_id=owner.id, now=now)
    if upload.offset < upload.length:
        raise UploadUnfinishedError(f"{upload.length - upload.offset} bytes of the upload are still missing.")
    if upload.state == Upload.State.RECEIVING:
        # The request with the last byte was interrupted before it had digested the whole.
        upload = digest_upload(upload_id=upload_id)
    _check_digest(upload, expected)
    if upload.state == Upload.State.COMPLETED:
        return _get_same_link(upload, draft)
    check_not_blocked(expected.sha256)
    try:
        with lock_blob(expected.sha256, is_exclusive=False):
            # Behind the lock, no sweep removes what is brought here; one that was faster has marked the row.
            _require_received(upload)
            name = _store(upload, expected)
            link = _create(upload, owner, expected, name, draft, now=now)
    except UploadCompletedError:
        upload.refresh_from_db()
        if upload.state != Upload.State.COMPLETED:
            raise UploadGoneError from None
        return _get_same_link(upload, draft)
    remove_partial(upload.id)
    return link


def create_link(
    *, link_id: uuid.UUID, owner: User, draft: LinkDraft, sha256: bytes | None = None, now: datetime
) -> Link:
    """Make another link to the blob of a link of the same owner, with a manifest, seal, price and limits of its own.

    `sha256` is checked against the blob's if it is given. Raises what `check_draft` raises, LinkNotFoundError if the
    owner has no such link, LinkDeletedError, LinkDisabledError, DigestMismatchError, DigestBlockedError, or
    BlobErasedError if the blob's bytes are gone.
    """
    check_draft(draft, now=now)
    with transaction.atomic(durable=True):
        link = Link.objects.filter(id=link_id, owner=owner).first()
        if link is None:
            raise LinkNotFoundError
        check_standing(link)
        # The row that erasing locks, too: either it finds the new link, or this finds the blob erased.
        blob = Blob.objects.select_for_update(no_key=True).get(id=link.blob_id)
        if sha256 is not None and sha256 != bytes(blob.sha256):
            raise DigestMismatchError("The link's blob has another SHA-256.")
        check_not_blocked(bytes(blob.sha256))
        if blob.erased_at is not None:
            raise BlobErasedError
        return _insert(blob, owner, draft, now=now)


def check_draft(draft: LinkDraft, *, now: datetime) -> None:
    """Check what a link is to be made with.

    Raises PriceOutOfRangeError, ManifestTooLargeError, ManifestNotEncryptedError, ExpiryOutOfRangeError,
    TransfersMaxOutOfRangeError.
    """
    assert len(draft.seal) == 32, "a seal is a SHA-256"  # noqa: PLR2004 - the length of a SHA-256
    check_limits(price_msat=draft.price_msat, expires_at=draft.expires_at, transfers_max=draft.transfers_max, now=now)
    if len(draft.manifest) > settings.CADASTRE_MANIFEST_BYTES_MAX:
        raise ManifestTooLargeError(f"A manifest has at most {settings.CADASTRE_MANIFEST_BYTES_MAX} bytes.")
    if not draft.manifest.startswith(AGE_FIRST_LINE):
        raise ManifestNotEncryptedError


def check_limits(*, price_msat: int, expires_at: datetime | None, transfers_max: int | None, now: datetime) -> None:
    """Check a link's price and limits.

    Raises PriceOutOfRangeError, ExpiryOutOfRangeError, TransfersMaxOutOfRangeError.
    """
    if not 0 <= price_msat <= PRICE_MSAT_MAX:
        raise PriceOutOfRangeError
    if expires_at is not None and not now < expires_at <= now + timedelta(days=EXPIRY_DAYS_MAX):
        raise ExpiryOutOfRangeError
    if transfers_max is not None and not 1 <= transfers_max <= TRANSFERS_MAX_MAX:
        raise TransfersMaxOutOfRangeError


def get_release_at(ended_at: datetime | None) -> datetime | None:
    """Return until when a link that ends at a time keeps its blob: whoever paid before may repeat the transfer."""
    return None if ended_at is None else ended_at + timedelta(seconds=settings.CADASTRE_ENTITLEMENT_SECONDS)


def _require_received(upload: Upload) -> None:
    """Raise UploadCompletedError if a request beside this one completed the upload, or a sweep removed it."""
    upload.refresh_from_db(fields=["state"])
    if upload.state != Upload.State.RECEIVED:
        raise UploadCompletedError


def _create(upload: Upload, owner: User, digest: Digest, storage_name: str, draft: LinkDraft, *, now: datetime) -> Link:
    with transaction.atomic(durable=True):
        blob, is_new = Blob.objects.get_or_create(
            sha256=digest.sha256,
            defaults={"length": digest.length, "root": digest.root, "storage_name": storage_name, "created_at": now},
        )
        if not is_new:
            # The bytes were brought behind the lock that erasing takes, so they are there whatever the row says.
            Blob.objects.filter(id=blob.id, erased_at__isnull=False).update(erased_at=None, removed_at=None)
        # Nothing got updated: a request beside this one completed the upload, or a sweep removed it.
        if not Upload.objects.filter(id=upload.id, state=Upload.State.RECEIVED).update(
            state=Upload.State.COMPLETED, blob=blob
        ):
            raise UploadCompletedError
        return _insert(blob, owner, draft, now=now)


def _insert(blob: Blob, owner: User, draft: LinkDraft, *, now: datetime) -> Link:
    """Write a link's row: a step."""
    return Link.objects.create(
        blob=blob,
        owner=owner,
        price_msat=draft.price_msat,
        manifest=draft.manifest,
        seal=draft.seal,
        expires_at=draft.expires_at,
        transfers_max=draft.transfers_max,
        deletion_token_sha256=draft.deletion_token_sha256,
        release_at=get_release_at(draft.expires_at),
        created_at=now,
    )


def _check_digest(upload: Upload, expected: Digest) -> None:
    for what, arrived, named in (
        ("length", upload.length, expected.length),
        ("SHA-256", bytes(upload.sha256 or b"").hex(), expected.sha256.hex()),
        ("root", bytes(upload.root or b"").hex(), expected.root.hex()),
    ):
        if arrived != named:
            raise DigestMismatchError(f"The {what} of what arrived is {arrived}, not {named}.")


def _get_same_link(upload: Upload, draft: LinkDraft) -> Link:
    """Return the link of a completed upload if it is the one that is asked for: no two encrypted manifests are equal.

    Raises UploadCompletedError if it is another one.
    """
    assert upload.blob_id is not None, "a completed upload has its blob"
    links = Link.objects.select_related("blob").filter(blob_id=upload.blob_id, owner_id=upload.owner_id)
    link = links.filter(price_msat=draft.price_msat, manifest=draft.manifest, seal=draft.seal).first()
    if link is None:
        raise UploadCompletedError
    # A storage that copies leaves the upload's file, and so does a crash right after the link was made.
    remove_partial(upload.id)
    return link


def _require_length(stream: BinaryIO, length: int) -> None:
    """Raise FileNotFoundError if the bytes are not there: who locked the file to remove it may have left it empty."""
    if os.fstat(stream.fileno()).st_size != length:
        raise FileNotFoundError


def _store(upload: Upload, digest: Digest) -> str:
    """Move the upload's bytes to where blobs live, unless an earlier try or an equal upload has brought them there.

    Raises UploadLostError if they are in neither place.
    """
    blobs, name = storages["blobs"], get_storage_name(digest.sha256)
    try:
        with get_partial_path(upload.id).open("rb") as stream:
            _require_length(stream, digest.length)
            saved = blobs.save(name, _MovableFile(stream, name=str(get_partial_path(upload.id))))
    except FileNotFoundError as error:
        if not blobs.exists(name):
            raise UploadLostError from error
        return name
    assert saved == name, "the storage of blobs must keep the names it is given"
    return name
