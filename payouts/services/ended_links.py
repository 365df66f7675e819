"""Returns what was paid for a link that somebody ended before the payer was sent the whole of it."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from payouts.errors import RefundError
from payouts.models import Entitlement, Microtransaction
from payouts.services.charges import refund_transfer
from storage.models import BlockedDigest

REFUNDED_PER_SWEEP = 500
ENDED = "The link was ended before the whole of it was sent."
BLOCKED = "The blob was blocked before the whole of it was sent."

logger = logging.getLogger(__name__)


def refund_ended_links(*, now: datetime) -> int:
    """Refund the transfers whose right to go on was cut short; return how many.

    These are of links that were deleted or disabled, and of digests that were blocked, while an entitlement ran under
    which fewer bytes than the blob has were sent. Whoever had them got what was paid for. A link that expired, or was
    used up, still serves those who paid before. Each refund is a transaction of its own.
    """
    since = now - timedelta(seconds=2 * settings.CADASTRE_ENTITLEMENT_SECONDS)
    refunded = 0
    for entitlements, reason in ((_list_ended(since, now), ENDED), (_list_blocked(since), BLOCKED)):
        for transfer_id in list(entitlements.values_list("transfer_id", flat=True)[:REFUNDED_PER_SWEEP]):
            try:
                refund_transfer(transfer_id=transfer_id, reason=reason, now=now)
            except RefundError as error:
                # Another worker, or the request whose bytes broke off, was faster.
                logger.info("Nothing to refund: %s", error)
            else:
                refunded += 1
    return refunded


def _list_ended(since: datetime, now: datetime) -> QuerySet[Entitlement]:
    """Return unserved entitlements of links that were deleted or disabled since; the links are found by an index."""
    return _list_unserved().filter(
        Q(link__deleted_at__isnull=False) | Q(link__disabled_at__isnull=False),
        link__release_at__gt=since,
        link__release_at__lte=now,
        ends_at__gt=F("link__release_at"),
    )


def _list_blocked(since: datetime) -> QuerySet[Entitlement]:
    """Return unserved entitlements of blobs whose digest was blocked since, while they ran."""
    blocks = BlockedDigest.objects.filter(unblocked_at=None, blocked_at__gt=since)
    while_running = blocks.filter(sha256=OuterRef("link__blob__sha256"), blocked_at__lt=OuterRef("ends_at"))
    return _list_unserved().filter(Exists(while_running), link__blob__sha256__in=blocks.values("sha256"))


def _list_unserved() -> QuerySet[Entitlement]:
    """Return paid entitlements that are not refunded and under which fewer bytes than the blob has were sent."""
    paid = Microtransaction.objects.filter(id=OuterRef("transfer_id"), amount_msat__gt=0)
    return Entitlement.objects.filter(
        Exists(paid), bytes_allowed__gt=0, bytes_served__lt=F("link__blob__length"), payer__isnull=False
    ).order_by("ends_at", "id")
