"""Verifying uploads in parts: a worker puts the parts together, reads them once, and only then names them as a blob.

The row is the queue. Each step leaves the store so that the next worker can go on from there, whenever this one is
killed: parts that are together are found as an object, reading changes nothing, a copy that was interrupted is made
anew, and the state in the row changes last.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from storage.digest import READ_BYTES, BlobDigest, Digest
from storage.errors import (
    LeaseLostError,
    ObjectChangedError,
    PartsWrongError,
    StoreUnavailableError,
    StoreUploadLostError,
)
from storage.models import Multipart, Upload
from storage.multipart import MultipartStore, StoredObject, find_multipart_store, get_staging_name
from storage.partials import lock_blob
from storage.services.multiparts import get_plan
from storage.services.receiving import get_expiry
from storage.services.uploads import get_storage_name

State, Fault = Multipart.State, Multipart.Fault
Clock = Callable[[], datetime]

LEASE_SECONDS = 180
"""How long a row stays with a worker that says nothing: longer than any single request to the store."""
BEAT_SECONDS = 10
RETRY_SECONDS = 30
"""How long a row waits after the store did not answer."""

logger = logging.getLogger(__name__)


@dataclass
class Lease:
    """A worker's right to one row, until it has said nothing for LEASE_SECONDS."""

    multipart: Multipart
    id: uuid.UUID
    clock: Clock
    said_at: datetime

    def beat(self) -> None:
        """Prolong the lease, if it is time. Raises LeaseLostError if another worker has the row."""
        now = self.clock()
        if (now - self.said_at).total_seconds() < BEAT_SECONDS:
            return
        self.change(lease_until=now + timedelta(seconds=LEASE_SECONDS))
        self.said_at = now

    def change(self, **values: object) -> None:
        """Change the row in a transaction of its own. Raises LeaseLostError if another worker has it."""
        with transaction.atomic(durable=True):
            self.write(**values)

    def write(self, **values: object) -> None:
        """Change the row: a step. Raises LeaseLostError if another worker has it."""
        mine = Multipart.objects.filter(upload_id=self.multipart.upload_id, state=State.CLOSED, lease_id=self.id)
        if not mine.update(**values):
            raise LeaseLostError


def verify_next_multipart(*, clock: Clock) -> bool:
    """Verify the closed upload that has waited longest, and return whether there was one.

    At most about CADASTRE_VERIFICATIONS_AT_ONCE are verified at a time: two workers that count at the same moment may
    both begin. The rest of the workers stay free for other work.
    """
    store = find_multipart_store()
    lease = None if store is None else _claim(clock)
    if store is None or lease is None:
        return False
    try:
        _verify(store, lease)
    except LeaseLostError:
        logger.warning("Another worker went on with the upload %s.", lease.multipart.upload_id)
    except (StoreUnavailableError, ObjectChangedError):
        logger.warning("The store failed while the upload %s was verified.", lease.multipart.upload_id, exc_info=True)
        _release(lease)
    return True


def _claim(clock: Clock) -> Lease | None:
    now = clock()
    closed = Multipart.objects.filter(state=State.CLOSED, cleared_at=None)
    with transaction.atomic(durable=True):
        leased_count = closed.filter(lease_id__isnull=False, lease_until__gt=now).count()
        if leased_count >= settings.CADASTRE_VERIFICATIONS_AT_ONCE:
            return None
        is_free = Q(lease_until=None) | Q(lease_until__lte=now)
        due = closed.filter(is_free).select_related("upload").order_by("closed_at", "upload_id").first()
        if due is None:
            return None
        lease = Lease(due, uuid.uuid4(), clock, now)
        is_mine = closed.filter(is_free, upload_id=due.upload_id).update(
            lease_id=lease.id, lease_until=now + timedelta(seconds=LEASE_SECONDS)
        )
        return lease if is_mine else None


def _release(lease: Lease) -> None:
    """Let the row wait for the store, without a worker."""
    try:
        lease.change(lease_id=None, lease_until=lease.clock() + timedelta(seconds=RETRY_SECONDS))
    except LeaseLostError:
        return  # Another worker waits for it.


def _verify(store: MultipartStore, lease: Lease) -> None:
    multipart = lease.multipart
    name = get_staging_name(multipart.upload_id)
    try:
        found = _put_together(store, multipart, name)
    except (StoreUploadLostError, PartsWrongError):
        logger.warning("The store lost parts of the upload %s.", multipart.upload_id, exc_info=True)
        _refuse(lease, Fault.UPLOAD_LOST)
        return
    lease.beat()
    declared = Digest(bytes(multipart.sha256 or b""), multipart.upload.length, bytes(multipart.root or b""))
    if _digest(store, name, found, lease) != declared:
        _refuse(lease, Fault.DIGEST_MISMATCH)
        return
    # Behind the lock, no sweep removes what is brought here.
    with lock_blob(declared.sha256, is_exclusive=False):
        store.copy_version(name, found, get_storage_name(declared.sha256), beat=lease.beat)
        _accept(lease, declared)


def _put_together(store: MultipartStore, multipart: Multipart, name: str) -> StoredObject:
    """Return the object that the parts make; an earlier try may have made it.

    Raises StoreUploadLostError, PartsWrongError.
    """
    found = store.find_object(name)
    if found is None:
        parts = store.list_parts(name, multipart.store_id)
        get_plan(multipart).check(parts)
        store.finish(name, multipart.store_id, parts)
        found = store.find_object(name)
    if found is None or found.length != multipart.upload.length:
        raise StoreUploadLostError
    return found


def _digest(store: MultipartStore, name: str, found: StoredObject, lease: Lease) -> Digest:
    digest = BlobDigest()
    with store.open_version(name, found) as stream:
        while chunk := stream.read(READ_BYTES):
            digest.update(chunk)
            lease.beat()
    return digest.finish()


def _accept(lease: Lease, digest: Digest) -> None:
    """Let the upload be made into a link, as if its bytes had come through this server."""
    now = lease.clock()
    with transaction.atomic(durable=True):
        lease.write(state=State.VERIFIED, lease_id=None, lease_until=None)
        Upload.objects.filter(id=lease.multipart.upload_id, state=Upload.State.IN_PARTS).update(
            state=Upload.State.RECEIVED,
            offset=digest.length,
            sha256=digest.sha256,
            root=digest.root,
            expires_at=get_expiry(now),
        )


def _refuse(lease: Lease, fault: Multipart.Fault) -> None:
    with transaction.atomic(durable=True):
        lease.write(state=State.REFUSED, fault=fault, lease_id=None, lease_until=None)
        Upload.objects.filter(id=lease.multipart.upload_id, state=Upload.State.IN_PARTS).update(
            state=Upload.State.TERMINATED
        )
