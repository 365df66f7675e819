"""Uploads in parts: begun here, sent to the store by addresses signed here, closed with the digest that was sent."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from storage.digest import Digest
from storage.errors import (
    DigestMismatchError,
    MultipartClosedError,
    StoreUnavailableError,
    StoreUploadLostError,
    UploadBusyError,
    UploadGoneError,
    UploadLostError,
)
from storage.models import Multipart, Upload
from storage.multipart import (
    PartPlan,
    PartUrl,
    StoredPart,
    find_multipart_store,
    get_multipart_store,
    get_staging_name,
    plan_parts,
)
from storage.selectors import OVER_STATES, get_multipart, get_upload
from storage.services.receiving import get_expiry
from storage.services.uploads import create_upload, terminate_upload
from users.models import User

State = Multipart.State

EXPIRED_PER_SWEEP = 500
CLEARED_PER_SWEEP = 100


def create_multipart(*, owner: User, length: int, now: datetime) -> Multipart:
    """Begin an upload of `length` bytes in parts.

    Raises MultipartNotOfferedError, StoreUnavailableError if the store does not answer, which leaves nothing that
    counts, and what `create_upload` raises.
    """
    store = get_multipart_store()
    plan = plan_parts(length, part_bytes_min=store.part_bytes_min, parts_max=store.parts_max)
    upload = create_upload(owner=owner, length=length, now=now, state=Upload.State.IN_PARTS)
    with transaction.atomic(durable=True):
        multipart = Multipart.objects.create(upload=upload, part_bytes=plan.part_bytes)
    try:
        store_id = store.begin(get_staging_name(upload.id))
    except BaseException:
        _abandon(multipart)
        raise
    with transaction.atomic(durable=True):
        if not Multipart.objects.filter(upload_id=upload.id, state=State.RECEIVING).update(store_id=store_id):
            raise UploadGoneError
    multipart.store_id = store_id
    return multipart


def sign_parts(
    *, upload_id: uuid.UUID, owner_id: uuid.UUID, parts: Sequence[tuple[int, bytes]], now: datetime
) -> list[PartUrl]:
    """Return the addresses for parts, each given by its number and SHA-256; the upload's time begins anew.

    Raises PartNumberError, MultipartClosedError, MultipartNotOfferedError, and what `get_upload` raises.
    """
    store, multipart = get_multipart_store(), _get_open(upload_id, owner_id, now)
    plan, name = get_plan(multipart), get_staging_name(upload_id)
    lengths = [plan.get_part_length(number) for number, _ in parts]
    with transaction.atomic(durable=True):
        Upload.objects.filter(id=upload_id, state=Upload.State.IN_PARTS).update(expires_at=get_expiry(now))
    return [
        store.sign_part(name, multipart.store_id, number=number, length=length, sha256=sha256)
        for (number, sha256), length in zip(parts, lengths, strict=True)
    ]


def list_parts(*, upload_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> list[StoredPart]:
    """Return the parts that the store has of an open upload, by number.

    Raises UploadLostError if the store knows nothing of it, MultipartClosedError, StoreUnavailableError, and what
    `get_upload` raises.
    """
    return _list_stored(_get_open(upload_id, owner_id, now))


def close_multipart(*, upload_id: uuid.UUID, owner_id: uuid.UUID, declared: Digest, now: datetime) -> Multipart:
    """Take the digest of an upload all of whose parts have arrived; a worker verifies it. Repeating that is harmless.

    Raises DigestMismatchError if the length is another one, PartsWrongError, MultipartClosedError if it was closed with
    another digest, UploadLostError, StoreUnavailableError, and what `get_upload` raises.
    """
    multipart = get_multipart(upload_id=upload_id, owner_id=owner_id)
    if multipart.state in {State.CLOSED, State.VERIFIED}:
        return _check_same(multipart, declared)
    upload = get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    if declared.length != upload.length:
        raise DigestMismatchError(f"The upload has {upload.length} bytes, not {declared.length}.")
    get_plan(multipart).check(_list_stored(multipart))
    with transaction.atomic(durable=True):
        Multipart.objects.filter(upload_id=upload_id, state=State.RECEIVING).update(
            state=State.CLOSED, sha256=declared.sha256, root=declared.root, closed_at=now
        )
    multipart.refresh_from_db()
    if multipart.state not in {State.CLOSED, State.VERIFIED}:
        raise UploadGoneError
    return _check_same(multipart, declared)


def terminate_multipart(*, upload_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> None:
    """Give an upload in parts up; a sweep removes what the store has of it.

    Raises UploadBusyError while it is being verified, and what `terminate_upload` raises.
    """
    multipart = get_multipart(upload_id=upload_id, owner_id=owner_id)
    if multipart.state == State.VERIFIED:
        terminate_upload(upload_id=upload_id, owner_id=owner_id, now=now)
        return
    get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    if not _abandon(multipart):
        raise UploadBusyError


def expire_multiparts(*, now: datetime) -> int:
    """Give up uploads in parts whose time is over before they were closed, and return how many."""
    expired = Upload.objects.filter(state=Upload.State.IN_PARTS, expires_at__lte=now).order_by("expires_at", "id")
    due = expired.exclude(multipart__state=State.CLOSED)
    return sum(_expire(upload, now) for upload in due[:EXPIRED_PER_SWEEP])


def clear_multiparts(*, now: datetime) -> int:
    """Remove what the store still has of uploads in parts that are over, and return of how many.

    Removing it again after a crash is harmless. Where the store does not answer, the next sweep goes on.
    """
    store, count = find_multipart_store(), 0
    if store is None:
        return 0
    due = Multipart.objects.filter(state__in=OVER_STATES, cleared_at=None).order_by("upload_id")
    for multipart in due[:CLEARED_PER_SWEEP]:
        try:
            store.remove(get_staging_name(multipart.upload_id))
        except StoreUnavailableError:
            break
        with transaction.atomic(durable=True):
            count += Multipart.objects.filter(upload_id=multipart.upload_id, cleared_at=None).update(cleared_at=now)
    return count


def get_plan(multipart: Multipart) -> PartPlan:
    """Return how an upload is cut into parts."""
    return PartPlan(multipart.upload.length, multipart.part_bytes)


def _get_open(upload_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> Multipart:
    """Return an upload that takes parts. Raises MultipartClosedError, and what `get_upload` raises."""
    multipart = get_multipart(upload_id=upload_id, owner_id=owner_id)
    get_upload(upload_id=upload_id, owner_id=owner_id, now=now)
    if multipart.state != State.RECEIVING:
        raise MultipartClosedError
    return multipart


def _list_stored(multipart: Multipart) -> list[StoredPart]:
    try:
        return get_multipart_store().list_parts(get_staging_name(multipart.upload_id), multipart.store_id)
    except StoreUploadLostError as error:
        raise UploadLostError from error


def _check_same(multipart: Multipart, declared: Digest) -> Multipart:
    kept = Digest(bytes(multipart.sha256 or b""), multipart.upload.length, bytes(multipart.root or b""))
    if kept != declared:
        raise MultipartClosedError("The upload was closed with another digest.")
    return multipart


def _expire(upload: Upload, now: datetime) -> bool:
    """Give one upload up, if its time was not prolonged meanwhile, also one that a crash left without its other row."""
    with transaction.atomic(durable=True):
        is_over = Upload.objects.filter(id=upload.id, state=Upload.State.IN_PARTS, expires_at__lte=now).exclude(
            multipart__state=State.CLOSED
        )
        if not is_over.update(state=Upload.State.TERMINATED):
            return False
        Multipart.objects.filter(upload_id=upload.id, state=State.RECEIVING).update(state=State.ABANDONED)
        return True


def _abandon(multipart: Multipart) -> bool:
    """End an open upload and return whether it was open."""
    with transaction.atomic(durable=True):
        open_rows = Multipart.objects.filter(upload_id=multipart.upload_id, state=State.RECEIVING)
        if not open_rows.update(state=State.ABANDONED):
            return False
        Upload.objects.filter(id=multipart.upload_id, state=Upload.State.IN_PARTS).update(state=Upload.State.TERMINATED)
        return True
