"""Blocked digests: what is neither taken nor served, whoever brings it, until the decision is repealed."""

from datetime import datetime

from django.db import IntegrityError, transaction

from database.transactions import require_transaction
from storage.errors import DigestBlockedAlreadyError, DigestNotBlockedError, ReasonMissingError
from storage.models import BlockedDigest
from users.models import User


def block_digest(*, sha256: bytes, actor: User, reason: str, now: datetime) -> BlockedDigest:
    """Refuse a blob of this SHA-256 (32 bytes) from now on, whether or not it is stored.

    Its links stay, and serve again if the digest is unblocked. Raises ReasonMissingError, DigestBlockedAlreadyError.
    """
    with transaction.atomic(durable=True):
        return block_digest_step(sha256=sha256, actor=actor, reason=reason, now=now)


def block_digest_step(*, sha256: bytes, actor: User, reason: str, now: datetime) -> BlockedDigest:
    """Do what block_digest does within the caller's transaction: a step."""
    require_transaction()
    assert len(sha256) == 32, "a digest is a SHA-256"  # noqa: PLR2004 - the length of a SHA-256
    if not reason.strip():
        raise ReasonMissingError
    try:
        with transaction.atomic():
            return BlockedDigest.objects.create(sha256=sha256, blocked_by=actor, blocked_at=now, reason=reason.strip())
    except IntegrityError as error:
        raise DigestBlockedAlreadyError from error


def unblock_digest(*, sha256: bytes, actor: User, reason: str, now: datetime) -> BlockedDigest:
    """Repeal the block of a digest; the row stays, with both reasons.

    Raises ReasonMissingError, DigestNotBlockedError.
    """
    if not reason.strip():
        raise ReasonMissingError
    with transaction.atomic(durable=True):
        block = BlockedDigest.objects.filter(sha256=sha256, unblocked_at=None).first()
        if block is None or not BlockedDigest.objects.filter(id=block.id, unblocked_at=None).update(
            unblocked_at=now, unblocked_by=actor, unblocked_reason=reason.strip()
        ):
            raise DigestNotBlockedError
        block.refresh_from_db()
    return block
