"""Remembers how a request was answered, so that a repeated one is answered alike instead of being carried out twice.

A key belongs to one user and one request (path and body). Its row is in flight until the answer is stored. A row whose
request crashed is taken over by a repetition after IN_FLIGHT_TIMEOUT.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from users.errors import IdempotencyKeyInFlightError, IdempotencyKeyReusedError
from users.models import IdempotencyKey

IN_FLIGHT_TIMEOUT = timedelta(seconds=60)


@dataclass(frozen=True)
class Claim:
    """The right to carry a request out. The time tells it from the claim of whoever takes the row over."""

    id: uuid.UUID
    claimed_at: datetime


@dataclass(frozen=True)
class StoredAnswer:
    """How the first request was answered; `body` is a JSON value, None for an empty body."""

    status_code: int
    body: Any


def claim_key(*, user_id: uuid.UUID, key: str, path: str, body_sha256: bytes, now: datetime) -> Claim | StoredAnswer:
    """Claim a key for a request, or return the answer that the same request got before.

    Raises IdempotencyKeyReusedError if the key belongs to another request, IdempotencyKeyInFlightError if the first
    request is not answered yet.
    """
    with transaction.atomic(durable=True):
        row = IdempotencyKey.objects.filter(user_id=user_id, key=key).first()
        if row is None:
            return _insert(user_id=user_id, key=key, path=path, body_sha256=body_sha256, now=now)
        if (row.path, bytes(row.body_sha256)) != (path, body_sha256):
            raise IdempotencyKeyReusedError
        if row.status_code is not None:
            return StoredAnswer(row.status_code, row.answer)
        return _take_over(row, now)


def store_answer(*, claim: Claim, answer: StoredAnswer) -> None:
    """Store how the request was answered.

    A claim that was taken over meanwhile stores nothing: the key's answer is that of whoever took it over.
    """
    with transaction.atomic(durable=True):
        IdempotencyKey.objects.filter(id=claim.id, created_at=claim.claimed_at, status_code=None).update(
            status_code=answer.status_code, answer=answer.body
        )


def release_key(*, claim: Claim) -> None:
    """Forget a request that failed for the server's own reasons, so that it can be repeated at once."""
    with transaction.atomic(durable=True):
        IdempotencyKey.objects.filter(id=claim.id, created_at=claim.claimed_at, status_code=None).delete()


def _insert(*, user_id: uuid.UUID, key: str, path: str, body_sha256: bytes, now: datetime) -> Claim:
    row = IdempotencyKey(user_id=user_id, key=key, path=path, body_sha256=body_sha256, created_at=now)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        # Another request inserted the key between our look-up and our insert.
        raise IdempotencyKeyInFlightError from error
    return Claim(row.id, now)


def _take_over(row: IdempotencyKey, now: datetime) -> Claim:
    crashed = IdempotencyKey.objects.filter(
        id=row.id, status_code=None, created_at=row.created_at, created_at__lte=now - IN_FLIGHT_TIMEOUT
    )
    # Nothing got updated: the request is still being answered, or another repetition took it over first.
    if not crashed.update(created_at=now):
        raise IdempotencyKeyInFlightError
    return Claim(row.id, now)
