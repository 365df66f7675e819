"""What happens to a link after it was made: its owner changes it, transfers use it up, somebody ends it."""

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet

from database.transactions import require_transaction
from storage.errors import (
    BlobErasedError,
    DeletionTokenRefusedError,
    LinkUsedUpError,
    NotLinkOwnerError,
)
from storage.models import Blob, Link
from storage.selectors import check_standing, get_any_link, get_own_link
from storage.services.links import check_limits, get_release_at


@dataclass(frozen=True, kw_only=True)
class LinkLimits:
    """What an owner may change of a link; None means no limit."""

    price_msat: int
    expires_at: datetime | None
    transfers_max: int | None


def change_link(*, link_id: uuid.UUID, owner_id: uuid.UUID, limits: LinkLimits, now: datetime) -> Link:
    """Set a link's price and limits. One that expired or was used up serves again if they allow it.

    Transfers are counted from the moment on that there is a maximum. An expiry that has passed may stay as it is.
    Raises what `get_own_link` raises, PriceOutOfRangeError, ExpiryOutOfRangeError, TransfersMaxOutOfRangeError, or
    BlobErasedError if the link was released since.
    """
    with transaction.atomic(durable=True):
        link = get_own_link(link_id=link_id, owner_id=owner_id)
        # The row that erasing locks, too: it sees the new limits, or this sees that the link was released.
        Blob.objects.select_for_update(no_key=True).get(id=link.blob_id)
        link = Link.objects.select_for_update(of=("self",), no_key=True).select_related("blob").get(id=link_id)
        check_standing(link)
        if link.released_at is not None:
            raise BlobErasedError
        check_limits(
            price_msat=limits.price_msat,
            expires_at=None if limits.expires_at == link.expires_at else limits.expires_at,
            transfers_max=limits.transfers_max,
            now=now,
        )
        link.price_msat, link.expires_at, link.transfers_max = (
            limits.price_msat,
            limits.expires_at,
            limits.transfers_max,
        )
        link.release_at = _find_release_at(link, now=now)
        link.save(update_fields=["price_msat", "expires_at", "transfers_max", "release_at"])
    return link


def delete_link(*, link_id: uuid.UUID, owner_id: uuid.UUID, now: datetime) -> None:
    """End a link for ever at its owner's wish; doing it again is harmless.

    The blob's bytes go with the last link that keeps them. Raises LinkNotFoundError, NotLinkOwnerError.
    """
    if get_any_link(link_id).owner_id != owner_id:
        raise NotLinkOwnerError
    _delete(link_id, now=now)


def delete_link_by_token(*, link_id: uuid.UUID, token: bytes, now: datetime) -> None:
    """End a link for ever for whoever has its deletion token (32 bytes); doing it again is harmless.

    Raises LinkNotFoundError, or DeletionTokenRefusedError if the token is not the link's or the link has none.
    """
    assert len(token) == 32, "a deletion token has 32 bytes"  # noqa: PLR2004 - as many as a SHA-256, which hides it
    expected = get_any_link(link_id).deletion_token_sha256
    given = hashlib.sha256(token).digest()
    if expected is None or not hmac.compare_digest(bytes(expected), given):
        raise DeletionTokenRefusedError
    _delete(link_id, now=now)


def disable_link(*, link_id: uuid.UUID, now: datetime) -> None:
    """End a link by a decision that is not its owner's: a step. One that was disabled before stays as it was."""
    require_transaction()
    Link.objects.filter(id=link_id, disabled_at=None).update(disabled_at=now)
    _release(Link.objects.filter(id=link_id), now=now)


def lock_limited_link(*, link_id: uuid.UUID) -> None:
    """Keep other charges of a link waiting until this one has counted its transfer: a step."""
    require_transaction()
    list(Link.objects.select_for_update(no_key=True).filter(id=link_id).values_list("id"))


def count_transfer(*, link_id: uuid.UUID, now: datetime) -> None:
    """Count a transfer of a link that has a maximum: a step of the transaction that charges it.

    The last one begins the time after which the link no longer keeps its blob. Raises LinkUsedUpError if none is left.
    """
    require_transaction()
    links = Link.objects.filter(id=link_id)
    # The maximum may have been lifted since the terms were read.
    has_room = Q(transfers_max=None) | Q(transfers_used__lt=F("transfers_max"))
    if not links.filter(has_room).update(transfers_used=F("transfers_used") + 1):
        raise LinkUsedUpError
    ends = now + timedelta(seconds=settings.CADASTRE_ENTITLEMENT_SECONDS)
    _release(links.filter(transfers_used__gte=F("transfers_max")), now=ends)


def _delete(link_id: uuid.UUID, *, now: datetime) -> None:
    """Mark a link as deleted, and forget the encrypted names and layout that its manifest holds."""
    with transaction.atomic(durable=True):
        links = Link.objects.filter(id=link_id, deleted_at=None)
        if links.update(deleted_at=now, manifest=b""):
            _release(Link.objects.filter(id=link_id), now=now)


def _release(links: QuerySet[Link], *, now: datetime) -> None:
    """Let links keep their blobs until a time at the latest, unless they were to do so for less long already."""
    links.filter(Q(release_at=None) | Q(release_at__gt=now)).update(release_at=now)


def _find_release_at(link: Link, *, now: datetime) -> datetime | None:
    """Return until when a link with these limits keeps its blob."""
    ended = [moment for moment in (link.expires_at, now if link.transfers_left == 0 else None) if moment is not None]
    return get_release_at(min(ended, default=None))
