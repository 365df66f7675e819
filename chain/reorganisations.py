"""Reorganisations that are deeper than is undone by itself: shown to an operator, and allowed by one."""

from datetime import datetime

from django.db import transaction

from chain.consumers import is_consumer_of_network
from chain.errors import ReorganisationMissingError
from chain.follower import find_tip
from chain.forks import REORGANISATION_BLOCKS_MAX, Fork, find_fork
from chain.models import AllowedReorganisation, FollowedBlock
from chain.node import NodeClient


def list_consumers() -> list[str]:
    """Return the names of all that follow the chain of the settings' network."""
    names = FollowedBlock.objects.values_list("consumer", flat=True).distinct().order_by("consumer")
    return [name for name in names if is_consumer_of_network(name)]


def find_reorganisation(*, node: NodeClient, consumer: str) -> Fork | None:
    """Return where the node's chain leaves the consumer's, or None if it does not."""
    tip = find_tip(consumer)
    if tip is None:
        return None
    fork = find_fork(node=node, tip=tip)
    return fork if fork.depth > 0 else None


def allow_reorganisation(
    *, node: NodeClient, consumer: str, fork_height: int, fork_hash: str, now: datetime
) -> AllowedReorganisation:
    """Allow a consumer to undo all blocks above a fork, once; the next look at the chain does it.

    The operator names the fork, so that what is allowed is what they have looked at.
    Raises ReorganisationMissingError if the node's chain does not leave the consumer's there, or so little deep that
    nobody need allow it.
    """
    fork = find_reorganisation(node=node, consumer=consumer)
    if fork is None or fork.last is None or (fork.last.height, fork.last.hash) != (fork_height, fork_hash):
        raise ReorganisationMissingError(
            f"the node's chain does not leave that of {consumer} after block {fork_hash} at height {fork_height}"
        )
    if fork.depth <= REORGANISATION_BLOCKS_MAX:
        raise ReorganisationMissingError(f"{fork.depth} blocks of {consumer} are undone without a decision")
    decision = {"fork_height": fork_height, "fork_hash": fork_hash, "allowed_at": now}
    with transaction.atomic(durable=True):
        allowed, _ = AllowedReorganisation.objects.update_or_create(consumer=consumer, defaults=decision)
    return allowed
