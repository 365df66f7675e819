"""What a person may keep: a number of bytes, and of unfinished uploads."""

import uuid
from datetime import datetime

from database.transactions import require_transaction
from storage.errors import QuotaExceededError, TooManyUploadsError
from storage.models import StorageQuota
from storage.selectors import (
    count_unfinished_uploads,
    count_used_bytes,
    get_quota_bytes,
    get_uploads_unfinished_max,
)
from users.models import User


def reserve_upload(*, owner: User, length: int, now: datetime) -> None:
    """Count a new upload of `length` bytes, in the caller's transaction.

    The owner's row is locked, so that two requests cannot both take the last room. Raises QuotaExceededError, or
    TooManyUploadsError if the owner has as many unfinished ones as are allowed.
    """
    require_transaction()
    quota = _lock_quota(owner.id)
    if count_unfinished_uploads(owner_id=owner.id, now=now) >= get_uploads_unfinished_max(quota):
        raise TooManyUploadsError
    limit = get_quota_bytes(quota)
    if limit is not None and quota.counted_bytes + length > limit:
        # What was deleted or has expired was not taken off when it was.
        quota.counted_bytes = count_used_bytes(owner_id=owner.id)
        if quota.counted_bytes + length > limit:
            raise QuotaExceededError(f"You keep {quota.counted_bytes} of the {limit} bytes that you may.")
    quota.counted_bytes += length
    quota.save()


def set_quota(*, owner_id: uuid.UUID, bytes_max: int | None, uploads_unfinished_max: int | None) -> StorageQuota:
    """Give a person limits of their own, in the caller's transaction: the admin opens one for each form.

    None is the server's setting, and 0 bytes is without a limit.
    """
    require_transaction()
    quota = _lock_quota(owner_id)
    quota.bytes_max, quota.uploads_unfinished_max = bytes_max, uploads_unfinished_max
    quota.save()
    return quota


def _lock_quota(owner_id: uuid.UUID) -> StorageQuota:
    """Return a person's row behind a lock, or one that is not written yet, with all that is kept counted."""
    User.objects.select_for_update(no_key=True).get(id=owner_id)
    quota = StorageQuota.objects.filter(owner_id=owner_id).first()
    return quota or StorageQuota(owner_id=owner_id, counted_bytes=count_used_bytes(owner_id=owner_id))
