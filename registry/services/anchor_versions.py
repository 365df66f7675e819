"""Further versions of an anchor, all with its commitment, of which at most one can ever be mined.

Two versions either spend the same continuation, or continuations of two versions of the parent that exclude each other.
All are kept; whichever a block has is the one that counts.
"""

from datetime import datetime
from itertools import takewhile

from django.conf import settings
from django.db import transaction

from chain.node import NodeClient
from chain.transactions import transaction_id, virtual_size
from database.transactions import require_transaction
from registry.errors import AnchorCapError, AnchorRaceError
from registry.models import Anchor, AnchorCoin, AnchorTransaction, Batch, Register
from registry.rules.fees import Paid, fee_at
from registry.selectors.funds import get_continuation, get_spent_today, list_outpoints, list_top_ups
from registry.selectors.registers import find_register
from registry.selectors.waiting import list_unmined
from registry.services.anchor_drafts import Draft, Rivals, draft_anchor, get_rate, plan_anchor


def find_parent_version(batch: Batch) -> AnchorTransaction | None:
    """Return the version that counts of the anchor before a batch's, or None for the register's first."""
    before = Anchor.objects.filter(batch__register_id=batch.register_id, batch__seq__lt=batch.seq)
    last = before.select_related("current").order_by("-batch__seq").first()
    return None if last is None else last.current


def is_rooted(anchor: Anchor) -> bool:
    """Return whether an anchor spends the continuation of the version of its parent that counts now."""
    parent = get_continuation(anchor.batch.register, find_parent_version(anchor.batch))
    return list_outpoints(anchor.current)[:1] == [(parent.txid, parent.vout)]


def find_waiting_version(anchor: Anchor, *, node: NodeClient) -> AnchorTransaction | None:
    """Return the version of an anchor that waits in the node for a block, or None if none does."""
    versions = anchor.transactions.order_by("-version")
    return next((version for version in versions if node.get_mempool_entry(version.txid) is not None), None)


def replace_anchor(*, anchor: Anchor, node: NodeClient, now: datetime) -> bool:
    """Sign another version of an overdue anchor at a higher fee, by the rules of BIP 125; return True.

    Raises AnchorKeyMissingError or an AnchorWaitsError as send_anchors does, AnchorRaceError if another worker was
    first.
    """
    previous = find_parent_version(anchor.batch)
    parent = get_continuation(anchor.batch.register, previous)
    rivals = _get_rivals(anchor, outpoint=(parent.txid, parent.vout), node=node)
    plan = plan_anchor(batch=anchor.batch, parent=parent, node=node, anchor=anchor, replaced=rivals.replaced)
    draft = draft_anchor(plan=plan, node=node, rivals=rivals)
    _sign_version(draft, anchor=anchor, previous=previous, now=now)
    return True


def sign_refused_anchor(*, anchor: Anchor, node: NodeClient, now: datetime) -> bool:
    """Sign another version of an anchor that the node refuses, if a coin of it is gone or it pays too little by now.

    Returns False otherwise: then the same bytes are sent again until a block or the deadline decides. That another
    coin has become worth its fee is no reason. It would not help, and might be none again at the new version's rate.
    Raises as replace_anchor does.
    """
    current = anchor.current
    if current is None:
        return False
    is_enough = current.fee_sat >= fee_at(get_rate(node=node), virtual_size(bytes(current.raw)))
    if is_enough and _has_coins(anchor):
        return False
    return replace_anchor(anchor=anchor, node=node, now=now)


def root_anchor(*, anchor: Anchor, node: NodeClient, now: datetime) -> bool:
    """Let an anchor spend the version of its parent that was mined, by an earlier version or a new one; return True.

    After a reorganisation another version of the parent may be mined than the one that was built on. The commitment
    stays; only what the transaction spends changes. Raises as replace_anchor does.
    """
    previous = find_parent_version(anchor.batch)
    parent = get_continuation(anchor.batch.register, previous)
    fitting = [
        version
        for version in anchor.transactions.order_by("-fee_sat")
        if list_outpoints(version)[0] == (parent.txid, parent.vout) and _is_spendable(version)
    ]
    if fitting:
        with transaction.atomic(durable=True):
            _lock(anchor, previous=previous)
            _move(anchor, version=fitting[0], now=now)
        return True
    return replace_anchor(anchor=anchor, node=node, now=now)


def store_version(draft: Draft, *, anchor: Anchor, now: datetime) -> AnchorTransaction:
    """Keep a version before it is ever sent: a step."""
    require_transaction()
    return AnchorTransaction.objects.create(
        anchor=anchor,
        version=anchor.transactions.count(),
        txid=transaction_id(draft.raw),
        raw=draft.raw,
        fee_sat=draft.fee_sat,
        continuation_sat=draft.continuation_sat,
        signed_at=now,
    )


def lock_register(register: Register) -> None:
    """Serialise signing by the register's row: what was read before the node was asked can be checked then: a step.

    Raises AnchorRaceError if the register was succeeded meanwhile: nothing is signed for it any more.
    """
    require_transaction()
    Register.objects.select_for_update().get(id=register.id)
    if find_register() != register:
        raise AnchorRaceError


def check_cap(*, fee_sat: int, now: datetime, anchor: Anchor | None = None) -> None:
    """Check that a signature keeps within the daily cap; an anchor counts once, by the highest fee of its versions.

    Raises AnchorCapError if it does not.
    """
    if anchor is not None:
        fee_sat = max(fee_sat, *anchor.transactions.values_list("fee_sat", flat=True))
    spent_sat, cap_sat = get_spent_today(now=now, except_anchor=anchor), settings.CADASTRE_ANCHOR_DAILY_CAP_SAT
    if spent_sat + fee_sat > cap_sat:
        raise AnchorCapError(
            f"{spent_sat} sat were signed for in the last 24 hours; {fee_sat} sat more would exceed the cap of "
            f"{cap_sat} sat"
        )


def _sign_version(draft: Draft, *, anchor: Anchor, previous: AnchorTransaction | None, now: datetime) -> None:
    """Store a further version and let it be the one that counts, unless another worker was first."""
    with transaction.atomic(durable=True):
        _lock(anchor, previous=previous)
        check_cap(fee_sat=draft.fee_sat, now=now, anchor=anchor)
        _move(anchor, version=store_version(draft, anchor=anchor, now=now), now=now)


def _lock(anchor: Anchor, *, previous: AnchorTransaction | None) -> None:
    """Lock the register, and check that what was read before the node was asked holds: a step.

    Raises AnchorRaceError if the anchor has another version by now or is in a block, its parent has another version, or
    the register was succeeded.
    """
    lock_register(anchor.batch.register)
    waits = Anchor.objects.filter(id=anchor.id, current=anchor.current, height=None).exists()
    if not waits or find_parent_version(anchor.batch) != previous:
        raise AnchorRaceError


def _move(anchor: Anchor, *, version: AnchorTransaction, now: datetime) -> None:
    """Make a version the one that counts, unless another worker has or the anchor was mined: a step."""
    waiting = Anchor.objects.filter(id=anchor.id, current=anchor.current, height=None)
    moved = waiting.update(current=version, state=Anchor.State.SIGNED, waiting_from_height=None, changed_at=now)
    if not moved:
        raise AnchorRaceError


def _get_rivals(anchor: Anchor, *, outpoint: tuple[str, int], node: NodeClient) -> Rivals:
    """Return what decides the fee of a further version that spends this outpoint.

    Of the later anchors, only those that the node has are evicted with an earlier version, and cost anything.
    """
    unmined = list_unmined(anchor.batch.register)
    earlier = [item for item in unmined if item.batch.seq < anchor.batch.seq]
    later = [item for item in unmined if item.batch.seq > anchor.batch.seq]
    evicted = takewhile(bool, (find_waiting_version(item, node=node) for item in later))
    versions = [version for version in anchor.transactions.all() if list_outpoints(version)[0] == outpoint]
    return Rivals(
        replaced=[_get_paid(version) for version in versions],
        parents=[_get_paid(item.current) for item in earlier if item.current is not None],
        descendants_sat=sum(version.fee_sat for version in evicted if version is not None),
    )


def _get_paid(version: AnchorTransaction) -> Paid:
    return Paid(fee_sat=version.fee_sat, virtual_bytes=virtual_size(bytes(version.raw)))


def _has_coins(anchor: Anchor) -> bool:
    """Return whether the top-ups that an anchor's present version merges are all there for it still."""
    scripts = [bytes(script) for script in anchor.batch.register.scripts.values_list("script", flat=True)]
    there = {(coin.txid, coin.vout) for coin in list_top_ups(scripts=scripts, for_anchor=anchor)}
    return there.issuperset(list_outpoints(anchor.current)[1:])


def _is_spendable(version: AnchorTransaction) -> bool:
    """Return whether the top-ups that a version merges are all in blocks and unspent."""
    top_ups = list_outpoints(version)[1:]
    coins = AnchorCoin.objects.filter(network=settings.CADASTRE_NETWORK, height__isnull=False, spent_txid="")
    return all(coins.filter(txid=txid, vout=vout).exists() for txid, vout in top_ups)
