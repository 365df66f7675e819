"""Puts split policies in force. A version is never edited: a new one starts where the old one ends."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings

from database.transactions import require_transaction
from registry.errors import SharesExceedWholeError
from registry.models import SplitLine, SplitPolicy, Work
from registry.models.rights import WORLD
from registry.rules import policies as rules

CLOCK_TICK = timedelta(microseconds=1)


def start_policy(
    *, work: Work, shares: Iterable[rules.ApprovedShare], now: datetime, territory: str = WORLD
) -> SplitPolicy:
    """End the policy in force and start the one that follows from the approved shares: a step of the caller's.

    Raises SharesExceedWholeError if the shares exceed the whole of the work.
    """
    require_transaction()
    try:
        lines = rules.compute_lines(shares=shares, platform_fee_bp=settings.CADASTRE_PLATFORM_FEE_BP)
    except rules.SharesExceedWholeError as error:
        raise SharesExceedWholeError(str(error)) from error
    versions = SplitPolicy.objects.filter(work=work, territory=territory)
    last = versions.order_by("-version").first()
    # A clock that runs behind must not end a version before it began.
    starts_at = now if last is None else max(now, last.valid_from + CLOCK_TICK)
    # The open version is unique, so this update is the one that ends it, or the insert below fails.
    versions.filter(valid_to=None).update(valid_to=starts_at)
    policy = SplitPolicy.objects.create(
        work=work,
        territory=territory,
        version=0 if last is None else last.version + 1,
        valid_from=starts_at,
        created_at=now,
    )
    SplitLine.objects.bulk_create(
        SplitLine(
            policy=policy,
            position=line.position,
            payee=line.payee,
            holder_id=line.holder_id,
            fee_bp=line.fee_bp,
            share_ppm=line.share_ppm,
        )
        for line in lines
    )
    return policy
