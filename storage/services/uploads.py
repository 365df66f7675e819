"""Resumable uploads, as tus 1.0 wants them: bytes are taken at exactly one offset, and count once they are on disk."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings
from django.core.files.storage import storages
from django.db import transaction

from storage.digest import digest_stream
from storage.errors import (
    EmptyBlobError,
    TooManyUploadsError,
    UploadBusyError,
    UploadChecksumError,
    UploadCompletedError,
    UploadDoorError,
    UploadGoneError,
    UploadInterruptedError,
    UploadLostError,
    UploadOffsetError,
    UploadOverflowError,
    UploadTooLargeError,
)
from storage.models import Blob, Upload
from storage.partials import Partial, lock_blob, lock_partial, read_partial, remove_partial
from storage.selectors import UNFINISHED_STATES, get_upload
from users.models import User

# One read from the connection: what a request holds in memory at a time.
PIECE_BYTES = 256 * 1024
# How much of one long request a crash of the server may cost.
CHECKPOINT_BYTES = 32 * 1024 * 1024
# One sweep takes so many uploads at most; the next one follows soon.
EXPIRED_PER_SWEEP = 500
# Whose bytes are, or were, in this server's own files.
LOCAL_STATES = (Upload.State.RECEIVING, Upload.State.RECEIVED)


def get_storage_name(sha256: bytes) -> str:
    """Return the name of a blob's file: two levels of directories, then the digest in full."""
    name = sha256.hex()
    return f"{name[:2]}/{name[2:4]}/{name}"


class Stream(Protocol):
    """A connection to read from; it raises OSError when it breaks."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, fewer only at the end."""


@dataclass(frozen=True)
class Body:
    """The bytes of one request. `length` is None if it was not announced, `sha256` if no checksum came with it."""

    stream: Stream
    length: int | None
    sha256: bytes | None


def create_upload(*, owner: User, length: int, now: datetime, state: Upload.State = Upload.State.RECEIVING) -> Upload:
    """Begin an upload of `length` bytes, which arrive here, or IN_PARTS at the store.

    Raises EmptyBlobError, UploadTooLargeError, or TooManyUploadsError if the owner has CADASTRE_UPLOADS_UNFINISHED_MAX
    unfinished ones.
    """
    if length < 1:
        raise EmptyBlobError
    if length > settings.CADASTRE_UPLOAD_BYTES_MAX:
        raise UploadTooLargeError(f"An upload has at most {settings.CADASTRE_UPLOAD_BYTES_MAX} bytes.")
    with transaction.atomic(durable=True):
        # The owner's row is locked, so that two requests cannot both count the last free place.
        User.objects.select_for_update(no_key=True).get(id=owner.id)
        unfinished = Upload.objects.filter(owner=owner, state__in=UNFINISHED_STATES, expires_at__gt=now).count()
        if unfinished >= settings.CADASTRE_UPLOADS_UNFINISHED_MAX:
            raise TooManyUploadsError
        return Upload.objects.create(
            owner=owner, length=length, state=state, created_at=now, expires_at=get_expiry(now)
        )


def append_upload(*, upload_id: uuid.UUID, owner_id: uuid.UUID, offset: int, body: Body, now: datetime) -> Upload:
    """Append the bytes of one request at exactly `offset`; with the last byte, digest the whole.

    A request that breaks off leaves what arrived, unless a checksum came with it, which cannot be checked then. Source:
    tus 1.0, core protocol and checksum extension. Raises UploadOffsetError, UploadOverflowError, UploadBusyError,
    UploadInterruptedError, UploadChecksumError, UploadLostError, UploadDoorError if the upload is sent in parts, and
    what `get_upload` raises.
    """
    upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    _check_door(upload)
    _check_append(upload, offset, body)
    if upload.offset < upload.length:
        with lock_partial(upload_id) as partial:
            # Again, behind the lock: another request may have gone on since.
            upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
            _check_append(upload, offset, body)
            partial.cut_to(offset)
            _receive(upload, partial, body, now)
    elif body.length is None and body.stream.read(1):
        raise UploadOverflowError
    if upload.state == Upload.State.RECEIVING and upload.offset == upload.length:
        upload = digest_upload(upload_id=upload_id)
    return upload


def digest_upload(*, upload_id: uuid.UUID) -> Upload:
    """Digest an upload all of whose bytes have arrived and move it to RECEIVED. Doing it again is harmless.

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
        ).update(state=Upload.State.RECEIVED, sha256=digest.sha256, root=digest.root)
        upload = Upload.objects.get(id=upload_id)
    if upload.length != digest.length:
        raise UploadLostError
    return upload


def terminate_upload(*, upload_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> None:
    """Give an unfinished upload up and remove its bytes.

    Raises UploadCompletedError if it was made into a link, UploadBusyError if a request is writing to it,
    UploadDoorError if it is sent in parts, and what `get_upload` raises.
    """
    upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    _check_door(upload)
    if upload.state == Upload.State.COMPLETED:
        raise UploadCompletedError
    _remove(upload)


def expire_uploads(*, now: datetime) -> int:
    """Remove unfinished uploads whose time is over and return how many.

    One that is being written to waits for the next sweep. What is sent in parts has a sweep of its own.
    """
    expired = Upload.objects.filter(state__in=LOCAL_STATES, expires_at__lte=now).order_by("expires_at", "id")
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


def _check_door(upload: Upload) -> None:
    if upload.state == Upload.State.IN_PARTS:
        raise UploadDoorError


def _check_append(upload: Upload, offset: int, body: Body) -> None:
    if offset != upload.offset:
        raise UploadOffsetError(upload.offset)
    if body.length is not None and body.length > upload.length - offset:
        raise UploadOverflowError


def _receive(upload: Upload, partial: Partial, body: Body, now: datetime) -> None:
    """Write the body's bytes and count them in the row."""
    start, end, checksum = upload.offset, upload.offset, hashlib.sha256()
    # Nothing is counted before the end where the end decides whether the bytes are wanted at all.
    has_checkpoints = body.sha256 is None and body.length is not None
    try:
        for piece in _read_pieces(body, upload):
            partial.append(piece)
            checksum.update(piece)
            end += len(piece)
            if has_checkpoints and end - upload.offset >= CHECKPOINT_BYTES:
                _count(upload, partial, end, now)
    except UploadInterruptedError as error:
        if body.sha256 is None:
            _count(upload, partial, end, now)
        raise UploadInterruptedError(upload.offset) from error
    if body.sha256 is not None and checksum.digest() != body.sha256:
        raise UploadChecksumError
    if end > start:
        _count(upload, partial, end, now)


def _read_pieces(body: Body, upload: Upload) -> Iterator[bytes]:
    """Yield the body in pieces.

    Raises UploadOverflowError if it is longer than what the upload lacks, UploadInterruptedError if it is cut short.
    """
    room, taken = upload.length - upload.offset, 0
    while body.length is None or taken < body.length:
        try:
            # One byte more than there is room for shows that a body of unknown length is too long.
            piece = body.stream.read(min(PIECE_BYTES, room - taken + 1))
        except OSError as error:
            raise UploadInterruptedError(upload.offset) from error
        taken += len(piece)
        if taken > room:
            raise UploadOverflowError
        if not piece:
            break
        yield piece
    if body.length is not None and taken < body.length:
        raise UploadInterruptedError(upload.offset)


def _count(upload: Upload, partial: Partial, end: int, now: datetime) -> None:
    """Put what was written on the disk, then move the row's offset to `end`."""
    partial.sync()
    expires_at = get_expiry(now)
    with transaction.atomic(durable=True):
        is_moved = Upload.objects.filter(id=upload.id, state=Upload.State.RECEIVING, offset=upload.offset).update(
            offset=end, expires_at=expires_at
        )
    if not is_moved:
        # The upload was removed before this request had the lock, and the file made anew by it.
        remove_partial(upload.id)
        raise UploadGoneError
    upload.offset, upload.expires_at = end, expires_at


def get_expiry(now: datetime) -> datetime:
    """Return until when an upload may go on if nothing more arrives."""
    return now + timedelta(seconds=settings.CADASTRE_UPLOAD_EXPIRY_SECONDS)
