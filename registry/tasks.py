"""The registry's sweeps. Each asks the rows what is due, and calls one service."""

import logging

from celery import shared_task
from django.utils import timezone

from chain.errors import ChainError, NodeUnavailableError
from chain.node import get_node
from registry.errors import AnchorKeyMissingError, AnchorWaitsError, BatchStateError, RegisterMissingError
from registry.services import anchors, batches, following, records, successions

logger = logging.getLogger(__name__)


@shared_task(name="registry.register_blobs", acks_late=True, ignore_result=True)
def register_blobs_task() -> None:
    """Register blobs that have no record."""
    records.register_blobs(now=timezone.now())


@shared_task(name="registry.seal_batches", acks_late=True, ignore_result=True)
def seal_batches_task() -> None:
    """Continue what a succeeded register lost, and seal the batch that is due."""
    try:
        successions.continue_lost_batches(now=timezone.now())
        batches.seal_due_batches(now=timezone.now())
    except (RegisterMissingError, BatchStateError) as error:
        # An operator's step is missing, or the chain is still being read; the records wait, and the alarm counts.
        logger.warning("Records wait to be sealed: %s", error)


@shared_task(
    name="registry.send_anchors",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(NodeUnavailableError,),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def send_anchors_task() -> None:
    """Sign and send anchors."""
    try:
        anchors.send_anchors(node=get_node(), now=timezone.now())
    except AnchorKeyMissingError:
        # A machine that must not sign has no key; another one does it.
        logger.info("This machine has no anchor key.")
    except AnchorWaitsError as error:
        # Funds, cap, ceiling or key: an operator's step or time is missing. The next sweep tries again, and the alarm
        # (oldest_unanchored_seconds) counts.
        logger.warning("An anchor waits: %s", error)


@shared_task(
    name="registry.follow_chain",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(NodeUnavailableError,),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def follow_chain_task() -> None:
    """Apply new blocks to the anchors."""
    try:
        following.follow_chain(node=get_node(), now=timezone.now())
    except ChainError as error:
        if not error.needs_operator:
            raise
        # It is noted for the health check, and trying again at once is of no use.
        logger.warning("The registry does not follow the chain: %s", error)
