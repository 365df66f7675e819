"""Notes what keeps a consumer from following the chain, for the health check and for people."""

import logging
from datetime import datetime, timedelta

from django.db import transaction

from chain.errors import ChainError
from chain.models import FollowerState

PROGRESS_INTERVAL = timedelta(seconds=60)
"""While all is well the time is written so often, not at every look."""

logger = logging.getLogger(__name__)


def note_progress(*, consumer: str, now: datetime) -> None:
    """Note that a consumer has followed the chain, and that its problem is over if it had one."""
    state = FollowerState.objects.filter(consumer=consumer).first()
    if state is not None and not _is_due(state, now=now):
        return
    well = {"followed_at": now, "failing_since": None, "problem": "", "detail": "", "needs_operator": False}
    with transaction.atomic(durable=True):
        FollowerState.objects.update_or_create(consumer=consumer, defaults=well)
    if state is not None and state.problem:
        logger.warning("%s follows the chain again", consumer)


def note_problem(*, consumer: str, error: ChainError, now: datetime) -> None:
    """Note what keeps a consumer from following the chain, and since when: an operator's to solve is logged once."""
    name = type(error).__name__
    with transaction.atomic(durable=True):
        state, _ = FollowerState.objects.select_for_update().get_or_create(consumer=consumer)
        is_news = state.problem != name
        state.problem, state.detail, state.needs_operator = name, str(error), error.needs_operator
        state.failing_since = state.failing_since or now
        state.save()
    if is_news and error.needs_operator:
        logger.error("%s cannot follow the chain: %s", consumer, error)


def _is_due(state: FollowerState, *, now: datetime) -> bool:
    """Tell whether progress is news."""
    is_old = state.followed_at is None or state.followed_at <= now - PROGRESS_INTERVAL
    return bool(state.problem) or is_old
