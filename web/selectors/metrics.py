"""What the server tells Prometheus: docs/reference/metrics.md explains each of these."""

from datetime import datetime

from django.conf import settings
from django.db.models import Count

from registry.models import Anchor
from registry.selectors.funds import AnchorFunds
from web.metrics import Gauge, Gauges
from web.selectors.health import FollowerFacts, HealthFacts, LastAnchor, get_health
from web.selectors.queues import Waiting


def list_gauges(*, now: datetime) -> list[Gauge]:
    """Return every gauge; those about a register's funds and last anchor only once there is one."""
    health = get_health(now=now)
    gauges = Gauges()
    _add_health(gauges, health)
    _add_queues(gauges, health.waiting)
    _add_followers(gauges, health.followers)
    _add_anchors(gauges, health.last_anchor)
    if health.funds is not None:
        _add_funds(gauges, health.funds)
    return gauges.found


def _add_health(gauges: Gauges, health: HealthFacts) -> None:
    gauges.add("cadastre_healthy", "1 if /api/v1/status answers 200, 0 if 503.", int(health.is_healthy))
    gauges.add("cadastre_founded", "1 once the register is founded.", int(health.is_founded))
    gauges.add(
        "cadastre_oldest_unanchored_seconds",
        "For how long the oldest record without an anchor in a block has waited; 0 if there is none.",
        health.oldest_unanchored_seconds,
    )


def _add_queues(gauges: Gauges, waiting: tuple[Waiting, ...]) -> None:
    labels = [{"queue": queue.name, "sweep": queue.sweep} for queue in waiting]
    gauges.add_labelled(
        "cadastre_queue_rows",
        "Rows that are due for a sweep, or wait for a person (sweep review).",
        zip(labels, (queue.count for queue in waiting), strict=True),
    )
    gauges.add_labelled(
        "cadastre_queue_oldest_seconds",
        "For how long the oldest of these rows has been due; 0 if there is none.",
        zip(labels, (queue.oldest_seconds for queue in waiting), strict=True),
    )


def _add_followers(gauges: Gauges, followers: tuple[FollowerFacts, ...]) -> None:
    gauges.add_labelled(
        "cadastre_followed_height",
        "The highest block that was followed.",
        (({"consumer": one.name}, one.height) for one in followers if one.height is not None),
    )
    gauges.add_labelled(
        "cadastre_followed_seconds",
        "Since the chain was last followed without a problem; noted once a minute.",
        (({"consumer": one.name}, one.idle_seconds) for one in followers),
    )
    gauges.add_labelled(
        "cadastre_follower_problem",
        "1 for what keeps the chain from being followed, by the error's name.",
        (({"consumer": one.name, "problem": one.problem}, 1) for one in followers if one.problem),
    )


def _add_anchors(gauges: Gauges, last: LastAnchor | None) -> None:
    anchors = Anchor.objects.filter(batch__register__network=settings.CADASTRE_NETWORK)
    counted = dict(anchors.order_by().values_list("state").annotate(count=Count("pk")))
    gauges.add_labelled(
        "cadastre_anchors",
        "Anchors by their state.",
        (({"state": str(state)}, counted.get(state, 0)) for state in Anchor.State.values),
    )
    if last is not None:
        gauges.add("cadastre_last_anchor_height", "The block of the highest anchor.", last.height)
        gauges.add("cadastre_last_anchor_confirmations", "Confirmations of the highest anchor.", last.confirmations)


def _add_funds(gauges: Gauges, funds: AnchorFunds) -> None:
    gauges.add_labelled(
        "cadastre_anchor_funds_sat",
        "What the anchors have left, in satoshi: the continuation, and top-ups that the next anchors take in.",
        (({"part": "continuation"}, funds.continuation_sat), ({"part": "top_ups"}, funds.top_ups_sat)),
    )
    gauges.add(
        "cadastre_anchor_stranded_sat",
        "Coins paid to an earlier anchor key, or worth less than they cost to spend: no part of the funds.",
        funds.stranded_sat,
    )
    gauges.add("cadastre_anchor_cost_sat", "What the next anchor costs at the last one's rate.", funds.anchor_cost_sat)
    gauges.add(
        "cadastre_anchors_affordable", "How many anchors the funds pay for at that cost.", funds.anchors_affordable
    )
    gauges.add(
        "cadastre_anchor_fees_spent_sat",
        "Fees of all anchors of the register that are in a block.",
        funds.fee_spent_sat,
    )
    gauges.add(
        "cadastre_anchor_spent_today_sat",
        "Fees of the anchors signed in the last 24 hours, which count against the cap.",
        funds.spent_today_sat,
    )
    gauges.add("cadastre_anchor_daily_cap_sat", "CADASTRE_ANCHOR_DAILY_CAP_SAT.", funds.daily_cap_sat)
