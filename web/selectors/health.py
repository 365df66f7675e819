"""Whether the server is well, and if it is not, why: what a monitor asks, and what the admin's first page shows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from chain.follower import find_tip
from chain.models import FollowerState
from payouts.services.following import get_consumer as get_payouts_consumer
from registry.models import Anchor, Register
from registry.selectors.batches import get_oldest_unanchored_at
from registry.selectors.chain_ends import find_foreign_spend
from registry.selectors.funds import AnchorFunds, get_anchor_funds
from registry.selectors.registers import find_register, get_consumer
from web.selectors.queues import Waiting, list_waiting, seconds_since


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the server is not well: a code for programs, and a sentence."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class FollowerFacts:
    """How far one part of the server has followed the chain; `height` is None before its first block.

    `idle_seconds` counts since it last did so without a problem; `problem` names what keeps it from that, "" if nothing
    does. `detail` is for staff: it may name the node.
    """

    name: str
    height: int | None
    idle_seconds: int
    problem: str
    detail: str
    needs_operator: bool


@dataclass(frozen=True, slots=True)
class LastAnchor:
    """The highest anchor in a block."""

    txid: str
    height: int
    confirmations: int


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """The state of the whole server. `funds` is None before a register is founded, `last_anchor` before its first."""

    is_founded: bool
    is_everything_anchored: bool
    oldest_unanchored_seconds: int
    waiting: tuple[Waiting, ...]
    followers: tuple[FollowerFacts, ...]
    last_anchor: LastAnchor | None
    funds: AnchorFunds | None
    reasons: tuple[Reason, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


def get_health(*, now: datetime) -> HealthFacts:
    """Return what waits, how far the chain has been followed, what the anchors have, and what is wrong with it."""
    register = find_register()
    oldest_unanchored_at = get_oldest_unanchored_at()
    oldest_unanchored_seconds = seconds_since(oldest_unanchored_at, now)
    waiting = list_waiting(now=now)
    followers = _list_followers(register, now=now)
    funds = None if register is None else get_anchor_funds(now=now)
    reasons = (
        *_judge_waiting(oldest_unanchored_seconds, waiting),
        *_judge_followers(followers),
        *_judge_funds(funds),
        *_judge_spending(funds),
        *_judge_chain_end(register),
    )
    return HealthFacts(
        is_founded=register is not None,
        is_everything_anchored=oldest_unanchored_at is None,
        oldest_unanchored_seconds=oldest_unanchored_seconds,
        waiting=waiting,
        followers=followers,
        last_anchor=_find_last_anchor(followers[0].height),
        funds=funds,
        reasons=reasons,
    )


def _list_followers(register: Register | None, *, now: datetime) -> tuple[FollowerFacts, ...]:
    """Return the two consumers of blocks. The registry's must run once there is a register to follow for."""
    names = {"registry": get_consumer(), "payouts": get_payouts_consumer()}
    states = {state.consumer: state for state in FollowerState.objects.filter(consumer__in=names.values())}
    started_at = {"registry": register.founded_at if register else None, "payouts": None}
    return tuple(
        _view_follower(name, consumer, states.get(consumer), started_at=started_at[name], now=now)
        for name, consumer in names.items()
    )


def _view_follower(
    name: str, consumer: str, state: FollowerState | None, *, started_at: datetime | None, now: datetime
) -> FollowerFacts:
    tip = find_tip(consumer)
    # A state without either is one that was locked and not written yet.
    followed_at = ((state.followed_at or state.failing_since) if state else None) or started_at
    return FollowerFacts(
        name=name,
        height=tip.height if tip else None,
        idle_seconds=seconds_since(followed_at, now),
        problem=state.problem if state else "",
        detail=state.detail if state else "",
        needs_operator=state.needs_operator if state else False,
    )


def _find_last_anchor(tip_height: int | None) -> LastAnchor | None:
    """Return the highest anchor of the network, with its confirmations under a followed tip."""
    mined = Anchor.objects.filter(batch__register__network=settings.CADASTRE_NETWORK, height__isnull=False)
    found = mined.order_by("-height", "-batch__seq").values_list("current__txid", "height").first()
    if found is None or tip_height is None:
        return None
    txid, height = found
    assert height is not None, "the anchors are those with a height"
    return LastAnchor(txid=txid, height=height, confirmations=max(0, tip_height - height + 1))


def _judge_waiting(oldest_unanchored_seconds: int, waiting: Sequence[Waiting]) -> Iterator[Reason]:
    limit = settings.CADASTRE_HEALTH_WAIT_SECONDS
    if oldest_unanchored_seconds > limit:
        yield Reason(
            "unanchored",
            f"The oldest record that is in no block has waited {oldest_unanchored_seconds:,} seconds; "
            f"the limit is {limit:,}.",
        )
    for queue in waiting:
        if queue.oldest_seconds > limit and not queue.is_for_people:
            yield Reason(
                "waiting",
                f"The oldest of the {queue.what} ({queue.count:,}) has waited {queue.oldest_seconds:,} seconds; "
                f"the limit is {limit:,}.",
            )


def _judge_followers(followers: Sequence[FollowerFacts]) -> Iterator[Reason]:
    limit = settings.CADASTRE_HEALTH_CHAIN_SECONDS
    for follower in followers:
        because = f": {follower.problem}" if follower.problem else ""
        if follower.needs_operator:
            yield Reason("chain-needs-operator", f"The {follower.name} cannot follow the chain{because}.")
        elif follower.idle_seconds > limit:
            yield Reason(
                "chain-not-followed",
                f"The {follower.name} has not followed the chain for {follower.idle_seconds:,} seconds; "
                f"the limit is {limit:,}{because}.",
            )


def _judge_funds(funds: AnchorFunds | None) -> Iterator[Reason]:
    needed = settings.CADASTRE_HEALTH_FUNDS_ANCHORS
    if funds is not None and funds.anchors_affordable < needed:
        stranded = f" {funds.stranded_sat:,} sat more are stranded." if funds.stranded_sat else ""
        yield Reason(
            "funds-low",
            f"The anchors have {funds.funds_sat:,} sat left, enough for {funds.anchors_affordable:,} at "
            f"{funds.anchor_cost_sat:,} sat each; the limit is {needed:,}.{stranded}",
        )


def _judge_spending(funds: AnchorFunds | None) -> Iterator[Reason]:
    """Yield a reason if the daily cap leaves less than an anchor costs: nothing is signed until a day has passed."""
    if funds is not None and funds.daily_cap_sat - funds.spent_today_sat < funds.anchor_cost_sat:
        yield Reason(
            "daily-cap",
            f"The anchors of the last 24 hours may cost {funds.spent_today_sat:,} sat, and the next one "
            f"{funds.anchor_cost_sat:,} sat; the cap is {funds.daily_cap_sat:,} sat.",
        )


def _judge_chain_end(register: Register | None) -> Iterator[Reason]:
    txid = None if register is None else find_foreign_spend(register)
    if txid is not None:
        yield Reason(
            "chain-ended",
            f"Transaction {txid}, which is no anchor, spends the output that the next anchor needs: somebody else has "
            "the anchor key.",
        )
