"""The sweeps of money. Each asks the rows what is due, calls one service, and may run twice."""

import logging

from celery import shared_task
from django.utils import timezone

from chain.errors import ChainError, NodeUnavailableError
from chain.node import get_node
from payouts.errors import InsufficientCoinsError, WalletKeyMissingError
from payouts.services.charges import close_abandoned_transfers
from payouts.services.ended_links import refund_ended_links
from payouts.services.following import follow_chain
from payouts.services.payout_transactions import advance_payouts
from payouts.services.payouts import make_payout_batch
from payouts.services.settlement import settle_windows
from payouts.services.statements import make_statements
from payouts.services.windows import close_window

logger = logging.getLogger(__name__)


@shared_task(
    name="payouts.follow_chain",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(NodeUnavailableError,),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def follow_chain_task() -> None:
    """Apply new blocks to deposits and payouts."""
    try:
        follow_chain(node=get_node(), now=timezone.now())
    except WalletKeyMissingError as error:
        logger.warning("Deposits are not followed: %s", error)
    except ChainError as error:
        if not error.needs_operator:
            raise
        # It is noted for the health check, and trying again at once is of no use.
        logger.warning("Payouts do not follow the chain: %s", error)


@shared_task(name="payouts.close_transfers", acks_late=True, ignore_result=True)
def close_transfers_task() -> None:
    """Close the transfers that their servers left open."""
    close_abandoned_transfers(now=timezone.now())


@shared_task(name="payouts.refund_ended_links", acks_late=True, ignore_result=True)
def refund_ended_links_task() -> None:
    """Refund what was paid for links that were ended before they were served."""
    refund_ended_links(now=timezone.now())


@shared_task(name="payouts.close_windows", acks_late=True, ignore_result=True)
def close_windows_task() -> None:
    """Close the settlement window that is due."""
    close_window(now=timezone.now())


@shared_task(name="payouts.settle_windows", acks_late=True, ignore_result=True)
def settle_windows_task() -> None:
    """Settle closed windows."""
    settle_windows(now=timezone.now())


@shared_task(name="payouts.make_statements", acks_late=True, ignore_result=True)
def make_statements_task() -> None:
    """Make the statements that are due."""
    make_statements(now=timezone.now())


@shared_task(name="payouts.make_payouts", acks_late=True, ignore_result=True)
def make_payouts_task() -> None:
    """Make the payout batch that is due."""
    make_payout_batch(now=timezone.now())


@shared_task(
    name="payouts.send_payouts",
    acks_late=True,
    ignore_result=True,
    autoretry_for=(NodeUnavailableError,),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=3,
)
def send_payouts_task() -> None:
    """Send payout batches, and sign and send those that are approved."""
    try:
        advance_payouts(node=get_node(), now=timezone.now())
    except (InsufficientCoinsError, WalletKeyMissingError) as error:
        logger.warning("Payouts wait: %s", error)
