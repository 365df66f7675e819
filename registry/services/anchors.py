"""Anchors sealed batches in Bitcoin: one unforkable chain of transactions, each stored before it is sent.

States: SIGNED > BROADCAST > MINED > FINAL, each move a conditional UPDATE. After Catena (IEEE S&P 2017).
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from chain.errors import TransactionAlreadyKnownError, TransactionRejectedError
from chain.follower import find_tip
from chain.node import NodeClient
from chain.transactions import (
    Coin,
    Output,
    build_transaction,
    estimate_virtual_size,
    parse_transaction,
    sign_transaction,
    transaction_id,
)
from database.transactions import require_transaction
from registry.errors import AnchorFundsError, AnchorKeyMismatchError, AnchorRaceError
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
        try:
            sign_anchor(batch=batch, node=node, now=now)
        except AnchorRaceError:
            logger.info("another worker is anchoring %s", batch)
    waiting = Anchor.objects.filter(state__in=IN_FLIGHT).select_related("current", "batch__register")
    waiting = waiting.order_by("batch__seq")
    return sum(_send(anchor=anchor, node=node, now=now) for anchor in waiting)


def find_batch_to_anchor() -> Batch | None:
    """Return the next batch to sign an anchor for, or None while one is in flight or nothing is sealed."""
    if Anchor.objects.filter(state__in=IN_FLIGHT).exists():
        return None
    sealed = Batch.objects.filter(state=Batch.State.SEALED, register__network=settings.CADASTRE_NETWORK)
    waiting = sealed.filter(anchor=None)
    return waiting.select_related("register").order_by("seq").first()


def sign_anchor(*, batch: Batch, node: NodeClient, now: datetime) -> Anchor:
    """Build, sign and store the anchor of a batch whose predecessor is mined.

    Raises AnchorFundsError if the previous anchor's continuation does not pay for it, AnchorKeyMismatchError if the key
    is not the one that it pays, AnchorRaceError if another worker was first or the predecessor left its block.
    """
    previous = _find_last_version(batch.register)
    draft = _draft(batch=batch, previous=previous, node=node)
    with transaction.atomic(durable=True):
        # The register's row serialises signing: what was read before the node was asked must still hold.
        Register.objects.select_for_update().get(id=batch.register_id)
        if Anchor.objects.filter(state__in=IN_FLIGHT).exists() or _find_last_version(batch.register) != previous:
            raise AnchorRaceError
        anchor = Anchor.objects.create(batch=batch, state=Anchor.State.SIGNED, changed_at=now)
        anchor.current = _store(draft, anchor=anchor, version=0, now=now)
        anchor.save(update_fields=["current"])
    return anchor


def sign_again(*, anchor: Anchor, node: NodeClient, now: datetime) -> bool:
    """Sign another version of an anchor that the node never took, if its fee or key would be another one now.

    It spends the same output and has the same commitment, so at most one version can be mined; all are kept.
    Returns False if nothing would be different. Raises AnchorFundsError or AnchorKeyMismatchError as sign_anchor does.
    """
    draft = _draft(batch=anchor.batch, previous=_find_last_version(anchor.batch.register, anchor.batch.seq), node=node)
    with transaction.atomic(durable=True):
        Register.objects.select_for_update().get(id=anchor.batch.register_id)
        waiting = Anchor.objects.filter(id=anchor.id, state=Anchor.State.SIGNED, current=anchor.current)
        if AnchorTransaction.objects.filter(txid=transaction_id(draft.raw)).exists() or not waiting.exists():
            return False
        waiting.update(
            current=_store(draft, anchor=anchor, version=anchor.transactions.count(), now=now), changed_at=now
        )
    return True


@dataclass(frozen=True, slots=True)
class Draft:
    """A signed transaction that is not stored yet, with its fee and what it leaves for the next anchor, in sat."""

    raw: bytes
    fee_sat: int
    continuation_sat: int


def _draft(*, batch: Batch, previous: AnchorTransaction | None, node: NodeClient) -> Draft:
    """Build and sign the transaction that spends the previous version's continuation and commits to the batch."""
    key = get_anchor_key()
    coin = _get_continuation(batch.register, previous)
    if coin.script != key.script_pubkey:
        raise AnchorKeyMismatchError
    scripts = [key.script_pubkey, commitment_script(bytes(batch.commitment))]
    fee_sat = estimate_fee(node=node, virtual_bytes=estimate_virtual_size(1, scripts))
    rest_sat = coin.value_sat - fee_sat
    if rest_sat < CONTINUATION_SAT_MIN:
        raise AnchorFundsError(f"the anchors have {coin.value_sat} sat left; the next one costs {fee_sat} sat")
    tip = find_tip(CONSUMER)
    unsigned = build_transaction(
        coins=[coin],
        outputs=[Output(rest_sat, scripts[0]), Output(0, scripts[1])],
        lock_time=0 if tip is None else tip.height,
    )
    raw = sign_transaction(unsigned, coins=[coin], keys={key.script_pubkey: key})
    return Draft(raw=raw, fee_sat=fee_sat, continuation_sat=rest_sat)


def _store(draft: Draft, *, anchor: Anchor, version: int, now: datetime) -> AnchorTransaction:
    """Keep a version before it is ever sent: a step."""
    require_transaction()
    return AnchorTransaction.objects.create(
        anchor=anchor,
        version=version,
        txid=transaction_id(draft.raw),
        raw=draft.raw,
        fee_sat=draft.fee_sat,
        continuation_sat=draft.continuation_sat,
        signed_at=now,
    )


def estimate_fee(*, node: NodeClient, virtual_bytes: int) -> int:
    """Return the fee in sat for a transaction of this size, within the operator's floor and ceiling."""
    rate = node.estimate_smart_fee(FEE_TARGET_BLOCKS) or 0
    floor, ceiling = settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB, settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB
    return -(-min(max(rate, floor), ceiling) * virtual_bytes // 1_000)


def _find_last_version(register: Register, before_seq: int | None = None) -> AnchorTransaction | None:
    """Return the version that counts of the register's last anchor, or of the last one before a batch."""
    anchors = Anchor.objects.filter(batch__register=register)
    if before_seq is not None:
        anchors = anchors.filter(batch__seq__lt=before_seq)
    last = anchors.select_related("current").order_by("-batch__seq").first()
    return None if last is None else last.current


def _get_continuation(register: Register, previous: AnchorTransaction | None) -> Coin:
    """Return the coin that the next anchor spends: the previous one's vout[0], or the register's first outpoint."""
    if previous is None:
        script = bytes(register.first_script)
        return Coin(register.first_txid, register.first_vout, register.first_value_sat, script)
    paid = parse_transaction(bytes(previous.raw)).outputs[0]
    return Coin(previous.txid, 0, paid.value_sat, paid.script)


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
            # The bytes stay stored and are sent again, as another version if that can help; an anchor that never gets
            # through shows as an alarm (oldest_unanchored_seconds), never as silence.
            logger.error("anchor %s was refused: %s", current.txid, error)  # noqa: TRY400  the node's words suffice
            if anchor.state == Anchor.State.SIGNED:
                sign_again(anchor=anchor, node=node, now=now)
            return False
    with transaction.atomic(durable=True):
        signed = Anchor.objects.filter(id=anchor.id, state=Anchor.State.SIGNED)
        signed.update(state=Anchor.State.BROADCAST, changed_at=now)
    return is_sent
