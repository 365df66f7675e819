"""Erasing: links that keep their blobs no more are released, and the last one's release removes the blob's bytes.

Each blob goes through three parts: its row is marked, so that nothing opens it any more; the storage removes the bytes;
the row says so. After a crash between two parts the row is still due, and the next sweep goes on. The lock of the blob
keeps those away who bring equal bytes meanwhile; the lock of its row those who make another link to it.
"""

import logging
import uuid
from datetime import datetime

from django.core.files.storage import storages
from django.db import transaction
from django.db.models import Q

from storage.errors import UploadBusyError
from storage.models import Blob, Link, Upload
from storage.partials import lock_blob
from storage.selectors import is_blocked

RELEASED_PER_SWEEP = 500

logger = logging.getLogger(__name__)


def release_links(*, now: datetime) -> int:
    """Release links whose time to keep their blobs is over, and erase blobs that no link keeps; return how many blobs.

    A blob that somebody brings at this moment waits for the next sweep, and so does one that the storage fails to
    remove.
    """
    return sum(_erase_or_wait(blob_id, now=now) for blob_id in _list_due(now))


def _list_due(now: datetime) -> list[uuid.UUID]:
    """Return the blobs that have something to do, those first that were marked and not removed."""
    marked = Blob.objects.filter(erased_at__isnull=False, removed_at=None).order_by("erased_at")
    links = Link.objects.filter(release_at__lte=now, released_at=None).order_by("release_at", "id")
    found = [*marked.values_list("id", flat=True)[:RELEASED_PER_SWEEP]]
    found += links.values_list("blob_id", flat=True)[:RELEASED_PER_SWEEP]
    return list(dict.fromkeys(found))


def _erase_or_wait(blob_id: uuid.UUID, *, now: datetime) -> bool:
    """Release a blob's links; return whether its bytes were removed. A failure is logged and waits."""
    try:
        return _erase(Blob.objects.get(id=blob_id), now=now)
    except UploadBusyError:
        return False
    except Exception:  # each backend has errors of its own, and one blob must not keep the others
        logger.exception("The bytes of the blob %s could not be removed.", blob_id)
        return False


def _erase(blob: Blob, *, now: datetime) -> bool:
    with lock_blob(bytes(blob.sha256), is_exclusive=True):
        if not _mark(blob, now=now) or _is_awaited(bytes(blob.sha256)):
            return False
        storages["blobs"].delete(blob.storage_name)
        with transaction.atomic(durable=True):
            Blob.objects.filter(id=blob.id, erased_at__isnull=False).update(removed_at=now)
    return True


def _is_awaited(sha256: bytes) -> bool:
    """Whether bytes in the store are all that there is of an upload in parts, which may still become a link."""
    waiting = Upload.objects.filter(sha256=sha256, state=Upload.State.RECEIVED, multipart__isnull=False)
    return waiting.exists() and not is_blocked(sha256)


def _mark(blob: Blob, *, now: datetime) -> bool:
    """Release what is due, and mark the blob as erased if nothing keeps it; return whether there are bytes to remove.

    The manifests go with the bytes: what they describe is not there any more.
    """
    with transaction.atomic(durable=True):
        row = Blob.objects.select_for_update(no_key=True).get(id=blob.id)
        links = Link.objects.filter(blob=row)
        links.filter(release_at__lte=now, released_at=None).update(released_at=now)
        if row.erased_at is None:
            if links.filter(Q(release_at=None) | Q(release_at__gt=now)).exists():
                return False
            links.update(manifest=b"")
            Blob.objects.filter(id=row.id).update(erased_at=now)
            return True
        return row.removed_at is None
