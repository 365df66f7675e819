"""What an operator can do about a payout batch whose outcome blocks alone do not decide: prove that it is lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from chain.errors import TransactionFormatError
from chain.follower import find_tip
from chain.models import FollowedBlock
from chain.node import NodeClient
from chain.transactions import Transaction, parse_transaction
from payouts.errors import ConflictProofError, PayoutBatchNotFoundError, PayoutBatchStateError
from payouts.models import PayoutBatch, WalletCoin
from payouts.services.batch_states import fail_batch
from payouts.services.conflicts import unpack_inputs
from payouts.services.following import get_consumer
from payouts.services.payouts import lock_batch
from users.models import User

REASON_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class TransactionPlace:
    """A transaction's id and the hash of the block that contains it, both hex in display order."""

    txid: str
    block_hash: str


def fail_unknown_batch(
    *,
    batch_id: UUID,
    lost: Sequence[bytes],
    conflict: TransactionPlace,
    operator: User,
    reason: str,
    node: NodeClient,
    now: datetime,
) -> PayoutBatch:
    """Fail an UNKNOWN batch that can never be mined, on a proof that followed blocks alone do not give.

    The proof leads from an input whose block left the chain to a spend that excludes it. `lost` are raw transactions:
    the first is the input's parent or one that the parent spends, each later one is spent by the one before it; the
    parent may be left out where its own inputs are known. `conflict` spends an input of the last of them and lies in a
    followed block that is final. Who did it and why stays with the batch. Raises PayoutBatchNotFoundError,
    PayoutBatchStateError if the batch is not UNKNOWN, ConflictProofError if the proof has a gap or no reason is given,
    NodeUnavailableError if the node does not answer.
    """
    if not reason.strip() or len(reason) > REASON_LENGTH_MAX:
        raise ConflictProofError(f"A reason has between 1 and {REASON_LENGTH_MAX} characters.")
    if not PayoutBatch.objects.filter(id=batch_id).exists():
        raise PayoutBatchNotFoundError
    winner = _load_winner(node, conflict)
    steps = [_parse(raw) for raw in lost]
    with transaction.atomic(durable=True):
        batch = lock_batch(batch_id)
        if batch.state != PayoutBatch.State.UNKNOWN:
            raise PayoutBatchStateError(f"The payout batch is {batch.state}, not UNKNOWN.")
        _require_final(conflict)
        coin = _find_excluded_input(batch, steps, winner)
        return fail_batch(
            batch=batch,
            reason=f"{reason.strip()} ({coin} cannot exist: {winner.txid} is final.)",
            operator=operator,
            now=now,
        )


def _load_winner(node: NodeClient, place: TransactionPlace) -> Transaction:
    """Return the conflicting transaction from the block that is said to contain it."""
    raw = node.find_raw_transaction(place.txid, block_hash=place.block_hash)
    if raw is None:
        raise ConflictProofError(f"The node has no block {place.block_hash} that contains {place.txid}.")
    found = parse_transaction(raw)
    if found.txid != place.txid:
        raise ConflictProofError(f"The node answered {found.txid} for {place.txid}.")
    return found


def _parse(raw: bytes) -> Transaction:
    """Return a lost transaction. Its id is its own hash, so that it needs nobody's word."""
    try:
        return parse_transaction(raw)
    except TransactionFormatError as error:
        raise ConflictProofError(f"A lost transaction cannot be read: {error}") from error


def _find_excluded_input(batch: PayoutBatch, lost: Sequence[Transaction], winner: Transaction) -> WalletCoin:
    """Return the batch's input that cannot exist beside the winner."""
    for coin in batch.inputs.filter(state=WalletCoin.State.UNDONE).order_by("txid", "vout"):
        if _excludes(winner, coin, lost):
            return coin
    raise ConflictProofError


def _excludes(winner: Transaction, coin: WalletCoin, lost: Sequence[Transaction]) -> bool:
    """Tell whether the winner spends what the last lost transaction does, and each is spent by the one before it."""
    txid, spent = coin.txid, set(unpack_inputs(bytes(coin.parent_inputs)))
    for step in lost:
        if step.txid != txid and step.txid not in {parent for parent, _ in spent}:
            return False
        txid, spent = step.txid, {(item.txid, item.vout) for item in step.inputs}
    return winner.txid != txid and not spent.isdisjoint((item.txid, item.vout) for item in winner.inputs)


def _require_final(place: TransactionPlace) -> None:
    """Refuse a block that was not followed or may still leave the chain."""
    block = FollowedBlock.objects.filter(consumer=get_consumer(), hash=place.block_hash).first()
    tip = find_tip(get_consumer())
    if block is None or tip is None or block.height > tip.height - settings.CADASTRE_CONFIRMATIONS_FINAL + 1:
        raise ConflictProofError(f"The block {place.block_hash} is not final.")
