"""What an anchor pays: an estimate within limits, and enough more than its earlier versions to replace them (BIP 125).

Fees are int sat, sizes vbytes, rates sat per 1,000 vbytes, as Bitcoin Core has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

INCREMENTAL_RATE_SAT_PER_KVB = 1_000
"""A replacement pays for its own relay at this rate, beyond what it replaces (Bitcoin Core's default up to 29)."""

TOP_UPS_MAX = 2
"""An anchor has at most three inputs: docs/reference/format-anchor.md."""

CONTINUATION_SAT_MIN = 294
"""Nodes do not relay a P2WPKH output below this (Bitcoin Core's dust limit)."""

RAISE_NUMERATOR, RAISE_DENOMINATOR = 5, 4
"""A replacement offers at least a quarter more: one that only met the rule would need dozens of deadlines to matter."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a transaction pays for its size."""

    fee_sat: int
    virtual_bytes: int


@dataclass(frozen=True, slots=True)
class FeeRange:
    """The fee that a transaction should pay, and the least and the most that make sense; least may exceed most."""

    wanted_sat: int
    least_sat: int
    most_sat: int


def fee_at(rate_sat_per_kvb: int, virtual_bytes: int) -> int:
    """Return the fee that a rate asks of a size, rounded up."""
    return -(-rate_sat_per_kvb * virtual_bytes // 1_000)


def count_affordable(*, continuation_sat: int, top_ups_sat: Sequence[int], anchor_sat: int, input_sat: int) -> int:
    """Return how many anchors a continuation and top-ups, the largest first, pay for, one after the other.

    An anchor costs `anchor_sat`, and `input_sat` more for each top-up that it merges. If the next one cannot be paid
    with the two top-ups that it takes, the others help nothing, however many they are: it has no room for them.
    """
    rest_sat, count = continuation_sat, 0
    for at in range(0, len(top_ups_sat), TOP_UPS_MAX):
        merged = top_ups_sat[at : at + TOP_UPS_MAX]
        rest_sat += sum(merged) - anchor_sat - len(merged) * input_sat
        if rest_sat < CONTINUATION_SAT_MIN:
            return count
        count += 1
    return count + max(0, rest_sat - CONTINUATION_SAT_MIN) // anchor_sat


def choose_rate(*, estimate: int | None, floor: int, ceiling: int, replaced: Sequence[Paid] = ()) -> int:
    """Return the rate to pay: the node's estimate, or a quarter more than what is replaced, within the limits."""
    raised = (
        -(-version.fee_sat * 1_000 * RAISE_NUMERATOR // (version.virtual_bytes * RAISE_DENOMINATOR))
        for version in replaced
    )
    return min(max(estimate or 0, floor, *raised), ceiling)


def compute_least_replacement(*, virtual_bytes: int, replaced: Sequence[Paid], descendants_sat: int = 0) -> int:
    """Return the least fee that replaces any of these versions: BIP 125, rules 3 and 4, and a higher rate than each.

    `descendants_sat` is what the transactions pay that are evicted with the replaced one. 0 if nothing is replaced.
    """
    relay_sat = fee_at(INCREMENTAL_RATE_SAT_PER_KVB, virtual_bytes)
    return max(
        (
            max(
                version.fee_sat + descendants_sat + relay_sat,
                version.fee_sat * virtual_bytes // version.virtual_bytes + 1,
            )
            for version in replaced
        ),
        default=0,
    )


def compute_fee_range(
    *,
    virtual_bytes: int,
    rate: int,
    ceiling: int,
    parents: Sequence[Paid] = (),
    replaced: Sequence[Paid] = (),
    descendants_sat: int = 0,
) -> FeeRange:
    """Return what a transaction of this size should pay at a rate.

    It pays for its unconfirmed parents too where they pay less than the rate, since a miner who wants it must take
    them. What it replaces sets the least; the ceiling, for it and its parents together, the most.
    """
    package_bytes = virtual_bytes + sum(parent.virtual_bytes for parent in parents)
    paid_sat = sum(parent.fee_sat for parent in parents)
    least_sat = compute_least_replacement(
        virtual_bytes=virtual_bytes, replaced=replaced, descendants_sat=descendants_sat
    )
    wanted_sat = max(fee_at(rate, virtual_bytes), fee_at(rate, package_bytes) - paid_sat, least_sat)
    most_sat = max(fee_at(ceiling, virtual_bytes), fee_at(ceiling, package_bytes) - paid_sat)
    return FeeRange(wanted_sat=min(wanted_sat, max(most_sat, least_sat)), least_sat=least_sat, most_sat=most_sat)
