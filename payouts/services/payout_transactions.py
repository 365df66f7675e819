"""A payout batch's transaction: signed once, stored before it is sent, and only ever sent as those bytes.

Where the node does not take it, the outcome is UNKNOWN until blocks decide. Until then every sweep offers the same
bytes again, which is safe: one transaction cannot pay twice. A batch is never signed anew.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from chain.errors import NodeRejectedError, TransactionAlreadyKnownError
from chain.follower import find_tip
from chain.keys import address_to_script
from chain.networks import get_network
from chain.node import NodeClient
from chain.transactions import (
    Coin,
    Output,
    build_transaction,
    sign_transaction,
    transaction_id,
)
from payouts.errors import (
    InsufficientCoinsError,
    PayoutBatchNotFoundError,
    PayoutBatchStateError,
    PayoutsError,
    WalletKeyMissingError,
)
from payouts.models import PayoutBatch, WalletCoin
from payouts.selectors.coins import select_coins
from payouts.services.following import get_consumer
from payouts.services.payouts import lock_batch
from payouts.services.wallet_keys import CHANGE_BRANCH, DEPOSIT_BRANCH, derive_key, derive_script

State = PayoutBatch.State
FEE_TARGET_BLOCKS = 6
SENDABLE_STATES = (State.SIGNED, State.BROADCAST, State.UNKNOWN)


def sign_payout_batch(*, batch_id: UUID, node: NodeClient, now: datetime) -> PayoutBatch:
    """Choose an approved batch's coins, sign its transaction and store it. Nothing is sent yet.

    Raises PayoutBatchNotFoundError if there is none, PayoutBatchStateError if it is not APPROVED,
    InsufficientCoinsError if the confirmed coins do not cover it, WalletKeyMissingError without the private key,
    NodeUnavailableError if the node does not answer.
    """
    rate = _estimate_fee_rate(node)
    # The followed height, not what the node claims: a batch is signed once, and one locked to a height that the chain
    # does not have would never be mined.
    tip = find_tip(get_consumer())
    lock_time = 0 if tip is None else tip.height
    network = get_network(settings.CADASTRE_NETWORK)
    with transaction.atomic(durable=True):
        batch = lock_batch(batch_id)
        if batch.state != State.APPROVED:
            raise PayoutBatchStateError(f"The payout batch is {batch.state}, not APPROVED.")
        outputs = [
            Output(payout.amount_sat, address_to_script(payout.address, network))
            for payout in batch.payouts.order_by("id")
        ]
        change_index = _next_change_index()
        change_script = derive_script(branch=CHANGE_BRANCH, index=change_index)
        selection = select_coins(outputs=outputs, change_script=change_script, rate_sat_per_kvb=rate)
        if selection.change_sat:
            outputs.append(Output(selection.change_sat, change_script))
            batch.change_index = change_index
        raw = _sign(selection.coins, outputs, lock_time=lock_time)
        batch.state, batch.raw, batch.txid = State.SIGNED, raw, transaction_id(raw)
        batch.fee_sat, batch.changed_at = selection.fee_sat, now
        batch.save(update_fields=["state", "raw", "txid", "fee_sat", "change_index", "changed_at"])
        WalletCoin.objects.filter(id__in=[coin.id for coin in selection.coins]).update(spent_by=batch)
        return batch


def send_payout_batch(*, batch_id: UUID, node: NodeClient, now: datetime) -> PayoutBatch:
    """Send a signed batch's stored bytes unless the node has them, and note the outcome. Safe to repeat.

    BROADCAST once the node has it; UNKNOWN if it refuses, until it takes the same bytes later or a block decides.
    Raises PayoutBatchNotFoundError if there is none, PayoutBatchStateError if it is not signed or has ended,
    NodeUnavailableError if the node does not answer: the next call looks first, as this one does.
    """
    batch = PayoutBatch.objects.filter(id=batch_id).first()
    if batch is None:
        raise PayoutBatchNotFoundError
    if batch.state not in SENDABLE_STATES or batch.raw is None or batch.txid is None:
        raise PayoutBatchStateError(f"The payout batch is {batch.state}, so there is nothing to send.")
    is_known = node.get_mempool_entry(batch.txid) is not None or _offer(node, bytes(batch.raw), batch.txid)
    outcome = State.BROADCAST if is_known else State.UNKNOWN
    with transaction.atomic(durable=True):
        # A block may have decided meanwhile; its word stands.
        sent = PayoutBatch.objects.filter(id=batch_id, state=batch.state).exclude(state=outcome)
        sent.update(state=outcome, changed_at=now)
    batch.refresh_from_db()
    return batch


def advance_payouts(*, node: NodeClient, now: datetime) -> int:
    """Send every signed batch, then sign every approved one and send it; return how many batches were offered.

    Sending comes first and waits for nothing: a batch that cannot be signed may need the change of one that the node
    has lost, and a machine without the private key can still send what another one has signed. A batch that another
    worker has moved on meanwhile is left to it. Raises InsufficientCoinsError or WalletKeyMissingError, the first of
    them, once everything that can be signed is sent, and what else the two services raise; batches that were not
    reached wait for the next call.
    """
    sendable = PayoutBatch.objects.filter(state__in=SENDABLE_STATES).order_by("created_at")
    offered = _send_batches(list(sendable.values_list("id", flat=True)), node=node, now=now)
    signed_ids, refusals = _sign_batches(node=node, now=now)
    offered += _send_batches(signed_ids, node=node, now=now)
    if refusals:
        raise refusals[0]
    return offered


def _sign_batches(*, node: NodeClient, now: datetime) -> tuple[list[UUID], list[PayoutsError]]:
    """Sign every approved batch that can be signed; return their ids, and why others cannot be."""
    approved = PayoutBatch.objects.filter(state=State.APPROVED).order_by("created_at").values_list("id", flat=True)
    signed_ids: list[UUID] = []
    refusals: list[PayoutsError] = []
    for batch_id in list(approved):
        try:
            sign_payout_batch(batch_id=batch_id, node=node, now=now)
        except PayoutBatchStateError:
            continue
        except (InsufficientCoinsError, WalletKeyMissingError) as error:
            refusals.append(error)
        else:
            signed_ids.append(batch_id)
    return signed_ids, refusals


def _send_batches(batch_ids: Sequence[UUID], *, node: NodeClient, now: datetime) -> int:
    """Send signed batches and return how many there were."""
    for batch_id in batch_ids:
        with suppress(PayoutBatchStateError):
            send_payout_batch(batch_id=batch_id, node=node, now=now)
    return len(batch_ids)


def _estimate_fee_rate(node: NodeClient) -> int:
    """Return the fee rate in sat/kvB: the node's estimate within the settings' floor and ceiling."""
    floor = settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB
    estimated = node.estimate_smart_fee(FEE_TARGET_BLOCKS)
    return max(floor, min(estimated or floor, settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB))


def _next_change_index() -> int:
    """Return the first key of the change branch that no batch has used."""
    last = PayoutBatch.objects.aggregate(last=Max("change_index"))["last"]
    return 0 if last is None else last + 1


def _sign(coins: Sequence[WalletCoin], outputs: Sequence[Output], *, lock_time: int) -> bytes:
    """Return the signed transaction that spends these coins."""
    spent = [Coin(coin.txid, coin.vout, coin.value_sat, bytes(coin.script)) for coin in coins]
    keys = [
        derive_key(branch=CHANGE_BRANCH if coin.is_internal else DEPOSIT_BRANCH, index=coin.index) for coin in coins
    ]
    raw = build_transaction(coins=spent, outputs=outputs, lock_time=lock_time)
    return sign_transaction(raw, coins=spent, keys={key.script_pubkey: key for key in keys})


def _offer(node: NodeClient, raw: bytes, txid: str) -> bool:
    """Send the bytes and tell whether the node has the transaction now."""
    try:
        node.send_raw_transaction(raw)
    except TransactionAlreadyKnownError:
        return True
    except NodeRejectedError:
        return node.get_mempool_entry(txid) is not None
    return True
