"""Links: how an upload becomes a blob that can be shared."""

import os
import uuid
from datetime import datetime
from typing import BinaryIO

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages
from django.db import transaction

from storage.digest import Digest
from storage.errors import (
    BlobErasedError,
    DigestMismatchError,
    ManifestNotEncryptedError,
    ManifestTooLargeError,
    PriceOutOfRangeError,
    UploadCompletedError,
    UploadGoneError,
    UploadLostError,
    UploadUnfinishedError,
)
from storage.models import Blob, Link, Upload
from storage.partials import get_partial_path, lock_blob, remove_partial
from storage.selectors import get_upload
from storage.services.uploads import digest_upload, get_storage_name
from users.models import User

PRICE_MSAT_MAX = 21 * 10**17
# The first line of every age file (C2SP, age-encryption.org/v1).
AGE_FIRST_LINE = b"age-encryption.org/v1\n"


class _MovableFile(File[bytes]):
    """A file that a storage on the same file system may take over by renaming it."""

    def temporary_file_path(self) -> str:
        """Return the path, under the name that Django's storages look for."""
        return str(self.name)


def complete_upload(
    *,
    upload_id: uuid.UUID,
    owner: User,
    price_msat: int,
    manifest: bytes,
    seal: bytes,
    expected: Digest,
    now: datetime,
) -> Link:
    """Make a finished upload into a blob and a link to it.

    `seal` is 32 bytes, zeros if there is none. The bytes are moved to where blobs live first, under a name that follows
    from them; then blob, link and upload change in one transaction. A crash between the two is healed by repeating the
    call, and a call repeated after success returns the same link. Raises PriceOutOfRangeError, ManifestTooLargeError,
    ManifestNotEncryptedError, UploadUnfinishedError, DigestMismatchError, BlobErasedError, UploadLostError,
    UploadCompletedError if the upload was made into another link, UploadGoneError if a sweep removes it meanwhile, and
    what `get_upload` raises.
    """
    _check_link(price_msat, manifest, seal)
    upload = get_upload(upload_id=upload_id, owner_id=owner.id, now=now)
    if upload.offset < upload.length:
        raise UploadUnfinishedError(f"{upload.length - upload.offset} bytes of the upload are still missing.")
    if upload.state == Upload.State.RECEIVING:
        # The request with the last byte was interrupted before it had digested the whole.
        upload = digest_upload(upload_id=upload_id)
    _check_digest(upload, expected)
    if upload.state == Upload.State.COMPLETED:
        return _get_same_link(upload, price_msat, manifest, seal)
    if Blob.objects.filter(sha256=expected.sha256, erased_at__isnull=False).exists():
        raise BlobErasedError
    try:
        with lock_blob(expected.sha256, is_exclusive=False):
            # Behind the lock, no sweep removes what is brought here; one that was faster has marked the row.
            _require_received(upload)
            name = _store(upload, expected)
            link = _create(upload, owner, expected, name, price_msat=price_msat, manifest=manifest, seal=seal, now=now)
    except UploadCompletedError:
        upload.refresh_from_db()
        if upload.state != Upload.State.COMPLETED:
            raise UploadGoneError from None
        return _get_same_link(upload, price_msat, manifest, seal)
    remove_partial(upload.id)
    return link


def _require_received(upload: Upload) -> None:
    """Raise UploadCompletedError if a request beside this one completed the upload, or a sweep removed it."""
    upload.refresh_from_db(fields=["state"])
    if upload.state != Upload.State.RECEIVED:
        raise UploadCompletedError


def _create(
    upload: Upload,
    owner: User,
    digest: Digest,
    storage_name: str,
    *,
    price_msat: int,
    manifest: bytes,
    seal: bytes,
    now: datetime,
) -> Link:
    with transaction.atomic(durable=True):
        blob, _ = Blob.objects.get_or_create(
            sha256=digest.sha256,
            defaults={"length": digest.length, "root": digest.root, "storage_name": storage_name, "created_at": now},
        )
        # Nothing got updated: a request beside this one completed the upload, or a sweep removed it.
        if not Upload.objects.filter(id=upload.id, state=Upload.State.RECEIVED).update(
            state=Upload.State.COMPLETED, blob=blob
        ):
            raise UploadCompletedError
        return Link.objects.create(
            blob=blob, owner=owner, price_msat=price_msat, manifest=manifest, seal=seal, created_at=now
        )


def _check_link(price_msat: int, manifest: bytes, seal: bytes) -> None:
    assert len(seal) == 32, "a seal is a SHA-256"  # noqa: PLR2004 - the length of a SHA-256
    if not 0 <= price_msat <= PRICE_MSAT_MAX:
        raise PriceOutOfRangeError
    if len(manifest) > settings.CADASTRE_MANIFEST_BYTES_MAX:
        raise ManifestTooLargeError(f"A manifest has at most {settings.CADASTRE_MANIFEST_BYTES_MAX} bytes.")
    if not manifest.startswith(AGE_FIRST_LINE):
        raise ManifestNotEncryptedError


def _check_digest(upload: Upload, expected: Digest) -> None:
    for what, arrived, named in (
        ("length", upload.length, expected.length),
        ("SHA-256", bytes(upload.sha256 or b"").hex(), expected.sha256.hex()),
        ("root", bytes(upload.root or b"").hex(), expected.root.hex()),
    ):
        if arrived != named:
            raise DigestMismatchError(f"The {what} of what arrived is {arrived}, not {named}.")


def _get_same_link(upload: Upload, price_msat: int, manifest: bytes, seal: bytes) -> Link:
    """Return the link of a completed upload if it is the one that is asked for: no two encrypted manifests are equal.

    Raises UploadCompletedError if it is another one.
    """
    assert upload.blob_id is not None, "a completed upload has its blob"
    link = (
        Link.objects.select_related("blob")
        .filter(blob_id=upload.blob_id, owner_id=upload.owner_id, price_msat=price_msat, manifest=manifest, seal=seal)
        .first()
    )
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
