"""Anchors sealed batches in Bitcoin: one unforkable chain of transactions, each stored before it is sent.

States: SIGNED > BROADCAST > MINED > FINAL, each move a conditional UPDATE. After Catena (IEEE S&P 2017).
"""

import logging
from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.errors import TransactionAlreadyKnownError, TransactionRejectedError
from chain.follower import get_tip
from chain.node import NodeClient
from chain.transactions import (
    Coin,
    Output,
    build_transaction,
    estimate_virtual_size,
    sign_transaction,
    transaction_id,
)
from registry.errors import AnchorFundsError
from registry.models import Anchor, AnchorTransaction, Batch, Register
from registry.proof.transactions import commitment_script
from registry.services.batches import CONSUMER
from registry.services.founding import get_anchor_key

CONTINUATION_SAT_MIN = 294
"""Nodes do not relay a P2WPKH output below this (Bitcoin Core's dust limit)."""

FEE_TARGET_BLOCKS = 6
IN_FLIGHT = (Anchor.State.SIGNED, Anchor.State.BROADCAST)

logger = logging.getLogger(__name__)


def send_anchors(*, node: NodeClient, now: datetime) -> int:
    """Sign the next anchor if none is in flight, and send what is signed; return how many transactions were sent.

    1. Sign: the transaction is built, then stored with its anchor in one database transaction.
    2. Send: the stored bytes go to the node, again after a crash and again when the node forgot them.

    Raises AnchorFundsError if the chain of anchors has no funds left, NodeUnavailableError if the node does not answer.
    """
    batch = find_batch_to_anchor()
    if batch is not None:
        sign_anchor(batch=batch, node=node, now=now)
    waiting = Anchor.objects.filter(state__in=IN_FLIGHT).select_related("current").order_by("batch__seq")
    return sum(_send(anchor=anchor, node=node, now=now) for anchor in waiting)


def find_batch_to_anchor() -> Batch | None:
    """Return the next batch to sign an anchor for, or None while one is in flight or nothing is sealed."""
    if Anchor.objects.filter(state__in=IN_FLIGHT).exists():
        return None
    waiting = Batch.objects.filter(anchor=None, register__network=settings.CADASTRE_NETWORK)
    return waiting.select_related("register").order_by("seq").first()


def sign_anchor(*, batch: Batch, node: NodeClient, now: datetime) -> Anchor:
    """Build, sign and store the anchor of a batch whose predecessor is mined.

    If another worker was first, its anchor is returned: a batch has one.
    Raises AnchorFundsError if the previous anchor's continuation does not pay for it.
    """
    key = get_anchor_key()
    coin = _get_continuation(batch.register, key.script_pubkey)
    scripts = [key.script_pubkey, commitment_script(bytes(batch.commitment))]
    fee_sat = estimate_fee(node=node, virtual_bytes=estimate_virtual_size(1, scripts))
    if coin.value_sat - fee_sat < CONTINUATION_SAT_MIN:
        raise AnchorFundsError(f"the anchors have {coin.value_sat} sat left; the next one costs {fee_sat} sat")
    tip = get_tip(CONSUMER)
    unsigned = build_transaction(
        coins=[coin],
        outputs=[Output(coin.value_sat - fee_sat, scripts[0]), Output(0, scripts[1])],
        lock_time=0 if tip is None else tip.height,
    )
    raw = sign_transaction(unsigned, coins=[coin], keys={key.script_pubkey: key})
    try:
        with transaction.atomic(durable=True):
            anchor = Anchor.objects.create(batch=batch, state=Anchor.State.SIGNED, changed_at=now)
            anchor.current = AnchorTransaction.objects.create(
                anchor=anchor,
                version=0,
                txid=transaction_id(raw),
                raw=raw,
                fee_sat=fee_sat,
                continuation_sat=coin.value_sat - fee_sat,
                signed_at=now,
            )
            anchor.save(update_fields=["current"])
    except IntegrityError:
        return Anchor.objects.select_related("current").get(batch=batch)
    return anchor


def estimate_fee(*, node: NodeClient, virtual_bytes: int) -> int:
    """Return the fee in sat for a transaction of this size, within the operator's floor and ceiling."""
    rate = node.estimate_smart_fee(FEE_TARGET_BLOCKS) or 0
    floor, ceiling = settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB, settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB
    return -(-min(max(rate, floor), ceiling) * virtual_bytes // 1_000)


def _get_continuation(register: Register, script: bytes) -> Coin:
    """Return the coin that the next anchor spends: the last one's vout[0], or the register's first outpoint."""
    last = Anchor.objects.filter(batch__register=register).select_related("current").order_by("-batch__seq").first()
    if last is None or last.current is None:
        return Coin(register.first_txid, register.first_vout, register.first_value_sat, script)
    return Coin(last.current.txid, 0, last.current.continuation_sat, script)


def _send(*, anchor: Anchor, node: NodeClient, now: datetime) -> bool:
    """Send an anchor's stored bytes unless the node has them; return whether they were sent."""
    current = anchor.current
    if current is None:
        return False
    is_sent = False
    if anchor.state == Anchor.State.SIGNED or node.get_mempool_entry(current.txid) is None:
        try:
            node.send_raw_transaction(bytes(current.raw))
            is_sent = True
        except TransactionAlreadyKnownError:
            # It is mined already; following the chain will say so.
            logger.info("anchor %s is in a block already", current.txid)
        except TransactionRejectedError as error:
            # The bytes stay stored and are sent again; an anchor that never gets through shows as an alarm
            # (oldest_unanchored_seconds), never as silence.
            logger.error("anchor %s was refused: %s", current.txid, error)  # noqa: TRY400  the node's words suffice
            return False
    with transaction.atomic(durable=True):
        signed = Anchor.objects.filter(id=anchor.id, state=Anchor.State.SIGNED)
        signed.update(state=Anchor.State.BROADCAST, changed_at=now)
    return is_sent
