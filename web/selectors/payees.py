"""Says in words who is paid what part of a transfer."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from payouts.rules.allocation import (
    WEIGHT_TOTAL,
    Entitlement,
    PolicyLine,
    accrue,
    give_out_remainders,
    weigh_lines,
)
from registry.models import SplitLine
from registry.selectors.terms import TermsLine

BAR_WIDTH = 1_000
"""Width of the bar that draws a policy, in its own units."""

NAMES: dict[str, Promise] = {
    SplitLine.Payee.UPLOADER: _("the uploader"),
    SplitLine.Payee.AFFILIATE: _("the affiliate"),
    SplitLine.Payee.PLATFORM: _("the platform"),
    SplitLine.Payee.UNCLAIMED: _("unclaimed"),
    SplitLine.Payee.ESCROW: _("escrow"),
}
"""What payees that are nobody in particular are called, in the page's language."""


@dataclass(frozen=True, slots=True)
class PayeeRow:
    """One line of a policy: `weight` counts ten-thousand-millionths of the price; the bar's numbers are its units."""

    name: str
    payee: str
    fee_bp: int
    share_ppm: int
    weight: int
    bar_start: int
    bar_width: int
    tone: int


def list_payees(lines: Iterable[TermsLine]) -> list[PayeeRow]:
    """Return the rows of a policy's lines, in their order.

    Raises AllocationError if the lines do not add up to the whole.
    """
    lines = tuple(lines)
    rows = []
    start = 0
    for line, weight in zip(lines, weigh_lines(to_rule_lines(lines)), strict=True):
        begin = start * BAR_WIDTH // WEIGHT_TOTAL
        start += weight
        rows.append(
            PayeeRow(
                name=str(NAMES.get(line.payee, line.name)),
                payee=line.payee,
                fee_bp=line.fee_bp,
                share_ppm=line.share_ppm,
                weight=weight,
                bar_start=begin,
                bar_width=start * BAR_WIDTH // WEIGHT_TOTAL - begin,
                tone=line.position % 4,
            )
        )
    return rows


def share_out(lines: Sequence[TermsLine], *, total_msat: int) -> tuple[int, ...]:
    """Return what each line gets of an amount, in msat: exactly the amount in all."""
    weights = weigh_lines(to_rule_lines(lines))
    return give_out_remainders([accrue(Entitlement(), amount_msat=total_msat, weight=weight) for weight in weights])


def to_rule_lines(lines: Iterable[TermsLine]) -> list[PolicyLine]:
    """Return lines as the allocation's rules take them."""
    return [PolicyLine(fee_bp=line.fee_bp, share_ppm=line.share_ppm) for line in lines]
