"""Resumable uploads, as tus 1.0 wants them: bytes are taken at exactly one offset, and count once they are on disk."""

import uuid
from contextlib import ExitStack, suppress
from datetime import datetime

from django.conf import settings
from django.core.files.storage import storages
from django.db import transaction

from storage.digest import digest_stream
from storage.errors import (
    EmptyBlobError,
    StorageError,
    UploadBusyError,
    UploadCompletedError,
    UploadInterruptedError,
    UploadLostError,
    UploadOffsetError,
    UploadOverflowError,
    UploadTooLargeError,
)
from storage.models import Blob, Upload
from storage.partials import lock_blob, lock_partial, read_partial, remove_partial, require_room
from storage.selectors import UNFINISHED_STATES, get_upload
from storage.services.quotas import reserve_upload
from storage.services.receiving import Body, get_expiry, receive_body
from users.models import User

# One sweep takes so many uploads at most; the next one follows soon.
EXPIRED_PER_SWEEP = 500


def get_storage_name(sha256: bytes) -> str:
    """Return the name of a blob's file: two levels of directories, then the digest in full."""
    name = sha256.hex()
    return f"{name[:2]}/{name[2:4]}/{name}"


def create_upload(*, owner: User, length: int, now: datetime) -> Upload:
    """Begin an upload of `length` bytes.

    Raises EmptyBlobError, UploadTooLargeError, StorageFullError if the disk has no room for it now, and what
    `reserve_upload` raises.
    """
    if length < 1:
        raise EmptyBlobError
    if length > settings.CADASTRE_UPLOAD_BYTES_MAX:
        raise UploadTooLargeError(f"An upload has at most {settings.CADASTRE_UPLOAD_BYTES_MAX} bytes.")
    require_room(length)
    with transaction.atomic(durable=True):
        reserve_upload(owner=owner, length=length, now=now)
        return Upload.objects.create(owner=owner, length=length, created_at=now, expires_at=get_expiry(now))


def create_upload_with_body(*, owner: User, length: int, body: Body, now: datetime) -> Upload:
    """Begin an upload of `length` bytes and take the first of them, or all.

    An upload whose bytes are refused or break off is removed: nobody has been told its address. Source: tus 1.0,
    creation-with-upload. Raises what `create_upload` and `append_upload` raise.
    """
    upload = create_upload(owner=owner, length=length, now=now)
    try:
        return append_upload(upload_id=upload.id, owner_id=owner.id, offset=0, body=body, now=now)
    except StorageError as error:
        with suppress(UploadBusyError):
            _remove(Upload.objects.get(id=upload.id))
        if isinstance(error, UploadInterruptedError):
            raise UploadInterruptedError(0) from error
        raise


def append_upload(*, upload_id: uuid.UUID, owner_id: uuid.UUID, offset: int, body: Body, now: datetime) -> Upload:
    """Append the bytes of one request at exactly `offset`; with the last byte, the upload has its digest.

    A request that breaks off leaves what arrived, unless a checksum came with it, which cannot be checked then. Source:
    tus 1.0, core protocol and checksum extension. Raises UploadOffsetError, UploadBusyError, UploadLostError, and what
    `receive_body` and `get_upload` raise.
    """
    upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    _check_append(upload, offset, body)
    if upload.offset < upload.length:
        with lock_partial(upload_id) as partial:
            # Again, behind the lock: another request may have gone on since.
            upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
            _check_append(upload, offset, body)
            partial.cut_to(offset)
            receive_body(upload=upload, partial=partial, body=body, now=now)
    elif body.length is None and body.stream.readinto(memoryview(bytearray(1))):
        raise UploadOverflowError
    if upload.state == Upload.State.RECEIVING and upload.offset == upload.length:
        # The digest could not be carried over the requests.
        upload = digest_upload(upload_id=upload_id)
    return upload


def digest_upload(*, upload_id: uuid.UUID) -> Upload:
    """Digest an upload all of whose bytes have arrived from its file, and move it to RECEIVED.

    Doing it again is harmless. Uploads need it whose digest could not be computed while they arrived.

    Raises UploadLostError if the bytes are not there.
    """
    try:
        with read_partial(upload_id) as stream:
            digest = digest_stream(stream)
    except UploadLostError:
        # A request beside this one may have digested the upload and moved its bytes on.
        upload = Upload.objects.get(id=upload_id)
        if upload.state == Upload.State.RECEIVING:
            raise
        return upload
    with transaction.atomic(durable=True):
        Upload.objects.filter(
            id=upload_id, state=Upload.State.RECEIVING, offset=digest.length, length=digest.length
        ).update(state=Upload.State.RECEIVED, sha256=digest.sha256, root=digest.root, digest_state=None)
        upload = Upload.objects.get(id=upload_id)
    if upload.length != digest.length:
        raise UploadLostError
    return upload


def terminate_upload(*, upload_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> None:
    """Give an unfinished upload up and remove its bytes.

    Raises UploadCompletedError if it was made into a link, UploadBusyError if a request is writing to it, and what
    `get_upload` raises.
    """
    upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    if upload.state == Upload.State.COMPLETED:
        raise UploadCompletedError
    _remove(upload)


def expire_uploads(*, now: datetime) -> int:
    """Remove unfinished uploads whose time is over and return how many.

    One that is being written to waits for the next sweep.
    """
    expired = Upload.objects.filter(state__in=UNFINISHED_STATES, expires_at__lte=now).order_by("expires_at", "id")
    count = 0
    for upload in expired[:EXPIRED_PER_SWEEP]:
        try:
            _remove(upload)
        except UploadBusyError:
            continue
        count += 1
    return count


def _remove(upload: Upload) -> None:
    """Remove an unfinished upload and, if it was received, the file that a crash left where blobs live.

    Raises UploadBusyError if it was completed, removed or continued since it was read, or is being written to or made
    into a blob; then its bytes stay.
    """
    due = _find_same(upload)
    with ExitStack() as locks:
        if due.sha256 is not None:
            locks.enter_context(lock_blob(bytes(due.sha256), is_exclusive=True))
        locks.enter_context(lock_partial(due.id))
        # Again, behind the locks: the request that had them may have gone on.
        _discard(_find_same(due))
        if due.sha256 is not None:
            _remove_orphan(bytes(due.sha256))


def _find_same(upload: Upload) -> Upload:
    """Return an unfinished upload's row if it is as it was read. Raises UploadBusyError if it is not."""
    same = Upload.objects.filter(id=upload.id, state=upload.state, expires_at=upload.expires_at)
    found = same.filter(state__in=UNFINISHED_STATES).first()
    if found is None:
        raise UploadBusyError
    return found


def _discard(upload: Upload) -> None:
    """Remove the bytes, then mark the row: after a crash between the two, the row is still due and is swept again.

    Raises UploadBusyError if the row has moved, as by a digest that was finished beside this: the next sweep marks it.
    """
    remove_partial(upload.id)
    with transaction.atomic(durable=True):
        is_marked = Upload.objects.filter(id=upload.id, state=upload.state, expires_at=upload.expires_at).update(
            state=Upload.State.TERMINATED
        )
    if not is_marked:
        raise UploadBusyError


def _remove_orphan(sha256: bytes) -> None:
    """Remove the file that a crash left where blobs live, after the bytes were moved there and before there was a blob.

    The upload's row is marked before, so that its own completion makes no blob of the file any more. An equal upload
    that is about to be completed is RECEIVED until its blob is written, and keeps the file; one that becomes so only
    now waits for the lock that the caller holds, and then brings the file anew.
    """
    if Upload.objects.filter(sha256=sha256, state=Upload.State.RECEIVED).exists():
        return
    if not Blob.objects.filter(sha256=sha256, erased_at=None).exists():
        storages["blobs"].delete(get_storage_name(sha256))


def _check_append(upload: Upload, offset: int, body: Body) -> None:
    if offset != upload.offset:
        raise UploadOffsetError(upload.offset)
    if body.length is not None and body.length > upload.length - offset:
        raise UploadOverflowError
