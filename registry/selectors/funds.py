"""The anchors' money: what the next one spends, what can top it up, and what has been spent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Max, Sum

from chain.follower import find_tip
from chain.transactions import P2WPKH_INPUT_WEIGHT, Coin, parse_transaction
from registry.models import Anchor, AnchorCoin, AnchorTransaction, Register
from registry.rules.fees import count_affordable, fee_at
from registry.selectors.registers import get_consumer, get_register
from registry.selectors.waiting import list_unmined

COINBASE_MATURITY_BLOCKS = 100
"""Consensus: a coinbase output can be spent in the hundredth block after its own."""

ANCHOR_VIRTUAL_BYTES = 157
"""The size of an anchor without a top-up: one input and two outputs."""

INPUT_VIRTUAL_BYTES = -(-P2WPKH_INPUT_WEIGHT // 4)

CAP_WINDOW = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class AnchorFunds:
    """The active register's money, in sat.

    The next anchors spend the continuation, and merge the top-ups, two in each: coins that pay the key which the
    continuation pays, or one that was noted after it, and are worth more than their own input. Its other coins are
    stranded: an earlier key need not be at hand, and a coin that costs more than it brings waits for a lower rate.
    Costs are reckoned at the rate that the last anchor paid, but not below the operator's floor. Fees are spent when
    their version is in a block; what counts against the daily cap are the signatures of the last 24 hours.
    """

    continuation_sat: int
    top_ups_sat: int
    stranded_sat: int
    funds_sat: int
    anchor_cost_sat: int
    anchors_affordable: int
    fee_spent_sat: int
    spent_today_sat: int
    daily_cap_sat: int


def get_anchor_funds(*, now: datetime) -> AnchorFunds:
    """Return what the active register's anchors have and have spent.

    Raises RegisterMissingError if no register has been founded.
    """
    register = get_register()
    last = Anchor.objects.filter(batch__register=register).select_related("current").order_by("-batch__seq").first()
    continuation = get_continuation(register, last.current if last else None)
    rate = _get_paid_rate(last.current if last else None)
    anchor_cost_sat, input_cost_sat = fee_at(rate, ANCHOR_VIRTUAL_BYTES), fee_at(rate, INPUT_VIRTUAL_BYTES)
    scripts = [bytes(script) for script in register.scripts.order_by("id").values_list("script", flat=True)]
    coins = list_top_ups(scripts={*scripts, continuation.script})
    in_use = _list_scripts_in_use(scripts, continuation=continuation)
    values_sat = [coin.value_sat for coin in coins if bytes(coin.script) in in_use and coin.value_sat > input_cost_sat]
    top_ups_sat = sum(values_sat)
    mined = AnchorTransaction.objects.filter(
        anchor__batch__register=register, anchor__height__isnull=False, anchor__current=F("id")
    )
    return AnchorFunds(
        continuation_sat=continuation.value_sat,
        top_ups_sat=top_ups_sat,
        stranded_sat=sum(coin.value_sat for coin in coins) - top_ups_sat,
        funds_sat=continuation.value_sat + top_ups_sat,
        anchor_cost_sat=anchor_cost_sat,
        anchors_affordable=count_affordable(
            continuation_sat=continuation.value_sat,
            top_ups_sat=values_sat,
            anchor_sat=anchor_cost_sat,
            input_sat=input_cost_sat,
        ),
        fee_spent_sat=int(mined.aggregate(total=Sum("fee_sat"))["total"] or 0),
        spent_today_sat=get_spent_today(now=now),
        daily_cap_sat=settings.CADASTRE_ANCHOR_DAILY_CAP_SAT,
    )


def get_spent_today(*, now: datetime, except_anchor: Anchor | None = None) -> int:
    """Return what the anchors signed in the last 24 hours can cost on this network, in sat.

    At most one version of an anchor can be mined, so each counts once, by the highest fee of its versions: whichever
    is mined, no more is spent. A signature that the clock puts into the future counts as well.
    """
    versions = AnchorTransaction.objects.filter(anchor__batch__register__network=settings.CADASTRE_NETWORK)
    if except_anchor is not None:
        versions = versions.exclude(anchor=except_anchor)
    recent = versions.filter(signed_at__gt=now - CAP_WINDOW).values("anchor_id")
    highest = versions.filter(anchor_id__in=recent).order_by().values("anchor_id").annotate(highest=Max("fee_sat"))
    return sum(row["highest"] for row in highest)


def get_continuation(register: Register, previous: AnchorTransaction | None) -> Coin:
    """Return the coin that an anchor spends first: the one before it's vout[0], or the register's first outpoint."""
    if previous is None:
        script = bytes(register.first_script)
        return Coin(register.first_txid, register.first_vout, register.first_value_sat, script)
    paid = parse_transaction(bytes(previous.raw)).outputs[0]
    return Coin(previous.txid, 0, paid.value_sat, paid.script)


def list_top_ups(*, scripts: Collection[bytes], for_anchor: Anchor | None = None) -> list[AnchorCoin]:
    """Return the coins that could be merged into an anchor now, the largest first.

    They pay one of these scripts, are in a followed block and unspent, are no register's first outpoint, and are not
    in use by another anchor that waits for its block; those from a coinbase are mature.
    """
    tip = find_tip(get_consumer())
    if tip is None:
        return []
    network = settings.CADASTRE_NETWORK
    taken = set(Register.objects.filter(network=network).values_list("first_txid", "first_vout"))
    for anchor in list_unmined():
        if for_anchor is None or anchor.id != for_anchor.id:
            taken |= set(list_outpoints(anchor.current)[1:])
    coins = AnchorCoin.objects.filter(network=network, height__isnull=False, spent_txid="", script__in=list(scripts))
    return [
        coin
        for coin in coins.order_by("-value_sat", "txid", "vout")
        if (coin.txid, coin.vout) not in taken and is_mature(coin, tip_height=tip.height)
    ]


def is_mature(coin: AnchorCoin, *, tip_height: int) -> bool:
    """Return whether consensus lets a coin of a block be spent in the block after the tip."""
    if coin.height is None:
        return False
    return not coin.is_coinbase or tip_height + 1 - coin.height >= COINBASE_MATURITY_BLOCKS


def _list_scripts_in_use(scripts: Sequence[bytes], *, continuation: Coin) -> Sequence[bytes]:
    """Return the script that a continuation pays, and those that were noted after it.

    Scripts are noted in the order in which the anchors move to their keys, on a machine that signs. Which keys are at
    hand, only that machine knows, and every machine must say the same; what stands before the continuation's may be
    gone.
    """
    return scripts[scripts.index(continuation.script) :] if continuation.script in scripts else [continuation.script]


def _get_paid_rate(version: AnchorTransaction | None) -> int:
    """Return the rate that a version pays, but not less than the operator's floor, in sat per 1,000 vbytes."""
    floor: int = settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB
    if version is None:
        return floor
    virtual_bytes = ANCHOR_VIRTUAL_BYTES + (len(list_outpoints(version)) - 1) * INPUT_VIRTUAL_BYTES
    return max(floor, -(-version.fee_sat * 1_000 // virtual_bytes))


def list_outpoints(version: AnchorTransaction | None) -> list[tuple[str, int]]:
    """Return the outpoints that a version spends, in the order of its inputs; none for no version."""
    if version is None:
        return []
    return [(item.txid, item.vout) for item in parse_transaction(bytes(version.raw)).inputs]
