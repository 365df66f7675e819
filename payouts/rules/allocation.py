"""How an amount is shared out among a split policy's lines: exactly, over any number of windows.

A line's weight counts ten-thousand-millionths of the whole. What a line is entitled to so far is kept exactly, as whole
millisatoshi and a remainder; remainders are carried from window to window and given out when the policy has ended.
docs/reference/settlement.md has the rules with an example.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from payouts.rules.errors import AllocationError

WEIGHT_TOTAL = 10**10
"""The whole: basis points (10**4) times millionths (10**6)."""

BASIS_POINTS = 10**4
MILLIONTHS = 10**6


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One line of a split policy: a fee in basis points of the whole, or a share of the rest in millionths."""

    fee_bp: int
    share_ppm: int


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a line is entitled to so far: exactly `whole_msat + remainder / WEIGHT_TOTAL` millisatoshi."""

    whole_msat: int = 0
    remainder: int = 0


def weigh_lines(lines: Sequence[PolicyLine]) -> tuple[int, ...]:
    """Return each line's weight; together they are exactly WEIGHT_TOTAL.

    Raises AllocationError if a line is both fee and share or neither, or if the lines do not add up to the whole.
    """
    fees_bp = sum(line.fee_bp for line in lines)
    for position, line in enumerate(lines):
        if min(line.fee_bp, line.share_ppm) != 0 or max(line.fee_bp, line.share_ppm) <= 0:
            raise AllocationError(f"line {position} is not one fee or one share above zero")
    rest_bp = BASIS_POINTS - fees_bp
    weights = tuple(line.fee_bp * MILLIONTHS + rest_bp * line.share_ppm for line in lines)
    if rest_bp < 0 or sum(weights) != WEIGHT_TOTAL:
        raise AllocationError(f"the lines' weights add up to {sum(weights)}, not {WEIGHT_TOTAL}")
    return weights


def accrue(entitlement: Entitlement, *, amount_msat: int, weight: int) -> Entitlement:
    """Return the entitlement after a line of this weight took its part of an amount.

    The amount is below zero where a window's refunds outweigh its charges. No product here reaches 2**127, and none
    that a 64-bit engine would have to hold reaches 2**63 unless the result itself does.
    """
    whole, part = divmod(amount_msat, WEIGHT_TOTAL)
    shared = part * weight + entitlement.remainder
    return Entitlement(
        whole_msat=entitlement.whole_msat + whole * weight + shared // WEIGHT_TOTAL,
        remainder=shared % WEIGHT_TOTAL,
    )


def give_out_remainders(entitlements: Sequence[Entitlement]) -> tuple[int, ...]:
    """Return whole amounts that add up to all entitlements: the largest remainders get one millisatoshi more.

    Ties go to the line that stands first, which is public. Raises AllocationError if the remainders do not add up to
    whole millisatoshi: the entitlements are then not all the lines of one policy.
    """
    dust, rest = divmod(sum(entitlement.remainder for entitlement in entitlements), WEIGHT_TOTAL)
    if rest:
        raise AllocationError("the remainders do not add up to whole millisatoshi")
    by_remainder = sorted(range(len(entitlements)), key=lambda position: (-entitlements[position].remainder, position))
    lucky = frozenset(by_remainder[:dust])
    return tuple(entitlement.whole_msat + (position in lucky) for position, entitlement in enumerate(entitlements))
