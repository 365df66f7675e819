"""Anchors sealed batches in Bitcoin: one unforkable chain of transactions, each stored before it is sent.

States: SIGNED > BROADCAST > MINED > FINAL, each move a conditional UPDATE. After Catena (IEEE S&P 2017). An anchor that
waits too long, that the node refuses, or whose parent was mined in another version is signed in a further version by
registry/services/anchor_versions.py: with the same commitment, and so that at most one version can ever be mined.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from django.conf import settings
from django.db import transaction

from chain.errors import TransactionAlreadyKnownError, TransactionRejectedError
from chain.follower import find_tip
from chain.node import NodeClient
from registry.errors import AnchorKeyMissingError, AnchorRaceError
from registry.models import Anchor, Batch, Register
from registry.selectors.funds import get_continuation
from registry.selectors.registers import find_register, get_consumer
from registry.selectors.waiting import list_unmined
from registry.services.anchor_drafts import draft_anchor, plan_anchor
from registry.services.anchor_keys import get_anchor_keys, note_anchor_scripts
from registry.services.anchor_versions import (
    check_cap,
    find_parent_version,
    find_waiting_version,
    is_rooted,
    lock_register,
    replace_anchor,
    root_anchor,
    sign_refused_anchor,
    store_version,
)

CHAIN_MAX = 25
"""Transactions in a row that a node keeps unconfirmed, by policy (Bitcoin Core's default up to 30)."""

REFUSAL_LENGTH_MAX = 300

logger = logging.getLogger(__name__)


def send_anchors(*, node: NodeClient, now: datetime) -> int:
    """Send what is signed, sign what is due, and send that; return how many transactions were sent.

    1. Send: the stored bytes go to the node, again after a crash and again when the node forgot them.
    2. Sign: one transaction is built, then stored in one database transaction.
    3. Send again, what was signed.

    Raises AnchorKeyMissingError if something is due and this machine has no key, an AnchorWaitsError if the key, the
    funds, the daily cap or the fee ceiling do not allow it, NodeUnavailableError if the node does not answer.
    """
    register = find_register()
    if register is None:
        return 0
    sent, refused = _send_waiting(list_unmined(), node=node, now=now)
    try:
        is_signed = _sign_due(register=register, refused=refused, node=node, now=now)
    except AnchorRaceError:
        logger.info("another worker is anchoring in %s", register)
        return sent
    if is_signed:
        sent += _send_waiting(list_unmined(register), node=node, now=now)[0]
    return sent


def find_batch_to_anchor(register: Register) -> Batch | None:
    """Return the register's next batch to sign an anchor for, or None while one is in flight or nothing is sealed."""
    if list_unmined(register):
        return None
    # Anchors are signed in the order of their batches, so none is missing before the last.
    anchored = Anchor.objects.filter(batch__register=register).order_by("-batch__seq")
    last_seq = anchored.values_list("batch__seq", flat=True).first()
    after = Batch.objects.filter(register=register, seq__gt=-1 if last_seq is None else last_seq)
    return after.filter(state=Batch.State.SEALED).select_related("register").order_by("seq").first()


def sign_anchor(*, batch: Batch, node: NodeClient, now: datetime) -> Anchor:
    """Build, sign and store the first version of the anchor of a batch whose predecessor is mined.

    Raises AnchorKeyMissingError or an AnchorWaitsError as send_anchors does, AnchorRaceError if another worker was
    first, the predecessor left its block, or the register was succeeded.
    """
    register = batch.register
    previous = find_parent_version(batch)
    plan = plan_anchor(batch=batch, parent=get_continuation(register, previous), node=node)
    draft = draft_anchor(plan=plan, node=node)
    with transaction.atomic(durable=True):
        lock_register(register)
        if find_batch_to_anchor(register) != batch or find_parent_version(batch) != previous:
            raise AnchorRaceError
        check_cap(fee_sat=draft.fee_sat, now=now)
        anchor = Anchor.objects.create(batch=batch, state=Anchor.State.SIGNED, changed_at=now)
        anchor.current = store_version(draft, anchor=anchor, now=now)
        anchor.save(update_fields=["current"])
    return anchor


def _sign_due(*, register: Register, refused: set[UUID | None], node: NodeClient, now: datetime) -> bool:
    """Sign the one transaction that the register needs most, if any; return whether something was signed.

    1. If none is in flight, the anchor of the next batch.
    2. An anchor whose parent was mined in another version than the one that it spends.
    3. A further version of an anchor in flight: _sign_further.

    Nothing is signed unless the node has the last followed block on its best chain. One that is behind, in its initial
    download, on another network or on another branch knows neither the coins nor the fees, and refuses what is good.
    """
    _note_scripts(register=register, now=now)
    unmined = list_unmined(register)
    batch = find_batch_to_anchor(register)
    if batch is not None:
        # A machine without a key has nothing to ask a node for.
        get_anchor_keys()
    if not (unmined or batch) or not _has_tip(node):
        return False
    if batch is not None:
        sign_anchor(batch=batch, node=node, now=now)
        return True
    rooted = list(takewhile(is_rooted, unmined))
    if not rooted:
        return root_anchor(anchor=unmined[0], node=node, now=now)
    return _sign_further(rooted, refused=refused, node=node, now=now)


def _sign_further(rooted: list[Anchor], *, refused: set[UUID | None], node: NodeClient, now: datetime) -> bool:
    """Sign a further version of the anchor in flight that needs it most, if one does; return whether it was signed.

    1. The first one that the node refuses. Those after it are refused because of it: they wait. So does one that has
       as many unconfirmed ones before it as nodes take: no fee would change that.
    2. The last one that the node has, if it is overdue: it pays for those before it too, and replacing it evicts no
       other. If the node has none, the first.

    Nothing is done while the node has blocks that were not followed yet: one of them may have the anchor.
    """
    if _get_height() < node.get_block_count():
        return False
    kept = list(takewhile(lambda anchor: anchor.current_id not in refused, rooted))
    if len(kept) < min(len(rooted), CHAIN_MAX) and sign_refused_anchor(anchor=rooted[len(kept)], node=node, now=now):
        return True
    last = kept[-1] if kept else rooted[0]
    return is_overdue(last) and replace_anchor(anchor=last, node=node, now=now)


def _has_tip(node: NodeClient) -> bool:
    """Return whether the node has the last followed block on its best chain."""
    tip = find_tip(get_consumer())
    return tip is not None and node.find_block_hash(tip.height) == tip.hash


def is_overdue(anchor: Anchor) -> bool:
    """Return whether an anchor has waited for as many followed blocks as the operator allows."""
    if anchor.waiting_from_height is None:
        return False
    return _get_height() - anchor.waiting_from_height >= settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS


def _note_scripts(*, register: Register, now: datetime) -> None:
    """Let followers know this machine's keys, if it has any."""
    try:
        keys = get_anchor_keys()
    except AnchorKeyMissingError:
        return
    note_anchor_scripts(register=register, keys=keys, now=now)


def _get_height() -> int:
    """Return the height of the last followed block, 0 before the first."""
    tip = find_tip(get_consumer())
    return 0 if tip is None else tip.height


def _send_waiting(anchors: Iterable[Anchor], *, node: NodeClient, now: datetime) -> tuple[int, set[UUID | None]]:
    """Send these anchors unless the node has them; return how many were sent, and the ids of refused versions.

    A refused version is not among these if an earlier one of its anchor waits in the node instead. The deadline of one
    that is offered for the first time counts from the followed height, once that is the node's. An anchor that spends
    an output which can no longer be mined is left out, and so are those after it: they must be signed anew first.
    """
    sent = 0
    refused: set[UUID | None] = set()
    uprooted: set[UUID] = set()
    for anchor in anchors:
        if anchor.batch.register_id in uprooted or not is_rooted(anchor):
            uprooted.add(anchor.batch.register_id)
            continue
        try:
            sent += _send(anchor=anchor, node=node, now=now)
        except TransactionRejectedError as error:
            if not _report_refusal(anchor=anchor, error=error, node=node):
                refused.add(anchor.current_id)
        height = _get_height()
        if anchor.waiting_from_height is None and node.get_block_count() <= height:
            with transaction.atomic(durable=True):
                offered = Anchor.objects.filter(id=anchor.id, current=anchor.current, waiting_from_height=None)
                offered.update(waiting_from_height=height)
    return sent, refused


def _send(*, anchor: Anchor, node: NodeClient, now: datetime) -> bool:
    """Send an anchor's stored bytes unless the node has them; return whether they were sent.

    Raises TransactionRejectedError if the node refuses them.
    """
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
    with transaction.atomic(durable=True):
        if anchor.refusal:
            Anchor.objects.filter(id=anchor.id).update(refusal="")
        # Another worker may have signed a further version meanwhile, which is not sent yet.
        signed = Anchor.objects.filter(id=anchor.id, state=Anchor.State.SIGNED, current=current)
        signed.update(state=Anchor.State.BROADCAST, changed_at=now)
    return is_sent


def _report_refusal(*, anchor: Anchor, error: TransactionRejectedError, node: NodeClient) -> bool:
    """Say that the node refuses an anchor; return whether an earlier version of it is waiting there instead.

    The bytes stay stored and are sent again; whichever version is mined counts. An anchor that never gets through
    shows as an alarm (oldest_unanchored_seconds), never as silence. The log has the refusal once, however many sweeps
    meet it: the anchors of a succeeded register may be refused for ever.
    """
    known = find_waiting_version(anchor, node=node)
    if known is not None:
        logger.info("anchor %s was refused (%s); version %s waits", anchor.current, error, known.version)
        return True
    refusal = f"{anchor.current}: {error}"[:REFUSAL_LENGTH_MAX]
    with transaction.atomic(durable=True):
        is_new = Anchor.objects.filter(id=anchor.id).exclude(refusal=refusal).update(refusal=refusal)
    if is_new:
        logger.error("anchor %s was refused: %s", anchor.current, error)
    return False
