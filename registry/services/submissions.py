"""Registers many bare digests at once: all of them or none, and once however often the request is repeated."""

import math
import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Min, Sum

from database.keys import make_key_range
from registry.errors import SubmissionLimitError
from registry.models import Submission
from registry.proof.hashes import HASH_BYTES
from registry.rules.bare_digests import make_bare_leaves
from registry.rules.digest_lines import Digests
from registry.selectors.submissions import find_submission
from registry.services.record_rows import write_bare_records
from registry.services.records import format_time, make_pseudonym
from users.errors import IdempotencyKeyReusedError
from users.models import User
from users.services.idempotency import StoredAnswer, claim_key, release_key, store_answer

DAY = timedelta(days=1)
CREATED = 201


def submit_digests(*, user: User, key: str, path: str, digests: Digests, now: datetime) -> Submission:
    """Register a request's digests, or return the submission that the same request made before.

    1. Look the key up: what was committed is returned, whatever happened to the answer.
    2. Claim the key, so that a repetition which comes meanwhile is told so.
    3. Register everything in one transaction, together with the row that says so.

    Raises IdempotencyKeyReusedError if the key belongs to another request, IdempotencyKeyInFlightError if the first one
    is not done yet, SubmissionLimitError if it is too much for the day.
    """
    submission = find_submission(user_id=user.id, key=key)
    if submission is None:
        claim = claim_key(user_id=user.id, key=key, path=path, body_sha256=digests.body_sha256, now=now)
        if isinstance(claim, StoredAnswer):
            # The first request was done between our two looks.
            return Submission.objects.get(user=user, key=key)
        try:
            submission = register_digests(user=user, key=key, digests=digests, now=now)
        except BaseException:
            release_key(claim=claim)
            raise
        store_answer(claim=claim, answer=StoredAnswer(CREATED, None))
    if bytes(submission.body_sha256) != digests.body_sha256:
        raise IdempotencyKeyReusedError
    return submission


def register_digests(*, user: User, key: str, digests: Digests, now: datetime) -> Submission:
    """Make a record of kind 0 of each digest, and their submission, in one transaction.

    If another worker was first with this key, its submission is returned. Raises SubmissionLimitError if the user
    registered too much in a day already.
    """
    details = {
        "registrar": settings.CADASTRE_REGISTRAR,
        "registered_at": format_time(now),
        "uploader": make_pseudonym(user.id),
    }
    # Before the transaction: on SQLite others wait for it.
    salts = secrets.token_bytes(digests.count * HASH_BYTES)
    leaves = make_bare_leaves(digests=digests.joined, salts=salts, details=details)
    try:
        with transaction.atomic(durable=True):
            found = _find_under_lock(user=user, key=key)
            if found is not None:
                return found
            _check_limit(user=user, count=digests.count, now=now)
            submission = Submission.objects.create(
                user=user,
                key=key,
                body_sha256=digests.body_sha256,
                first_id=make_key_range(digests.count),
                count=digests.count,
                registered_at=now,
            )
            write_bare_records(leaves, first_id=submission.first_id, details=details, user_id=user.id, now=now)
    except IntegrityError:
        found = find_submission(user_id=user.id, key=key)
        if found is None:
            raise
        return found
    return submission


def _find_under_lock(*, user: User, key: str) -> Submission | None:
    """If there is a limit, lock the user's row, so that requests side by side are counted one after the other.

    Return the submission of whoever had the lock before, if it was a slow first request with this key: its records
    must not be counted as others.
    """
    if not settings.CADASTRE_BULK_RECORDS_PER_DAY:
        # Then the unique key says so.
        return None
    User.objects.select_for_update(no_key=True).get(id=user.id)
    return find_submission(user_id=user.id, key=key)


def _check_limit(*, user: User, count: int, now: datetime) -> None:
    """Count what the user, whose row is locked, registered in a day."""
    limit = settings.CADASTRE_BULK_RECORDS_PER_DAY
    if not limit:
        return
    recent = Submission.objects.filter(user=user, registered_at__gt=now - DAY)
    found = recent.aggregate(total=Sum("count"), oldest_at=Min("registered_at"))
    used = int(found["total"] or 0)
    if used + count > limit:
        raise SubmissionLimitError(
            f"{used} records were registered in bulk within a day; {count} more would be above the limit of {limit}.",
            wait_s=math.ceil(((found["oldest_at"] or now) + DAY - now).total_seconds()),
        )
