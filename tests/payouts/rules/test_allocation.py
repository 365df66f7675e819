"""Sharing out: nothing is lost, everybody is within a millisatoshi of exact, whatever the windows."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payouts.rules.allocation import (
    BASIS_POINTS,
    MILLIONTHS,
    WEIGHT_TOTAL,
    Entitlement,
    PolicyLine,
    accrue,
    give_out_remainders,
    weigh_lines,
)
from payouts.rules.errors import AllocationError


@st.composite
def policies(draw: st.DrawFn) -> list[PolicyLine]:
    """Return a policy: up to three fees, and one to five shares of exactly the rest."""
    fees = draw(st.lists(st.integers(1, 3_000), max_size=3))
    cuts = sorted(draw(st.sets(st.integers(1, MILLIONTHS - 1), max_size=4)))
    edges = [0, *cuts, MILLIONTHS]
    shares = [upper - lower for lower, upper in pairwise(edges)]
    return [PolicyLine(fee, 0) for fee in fees] + [PolicyLine(0, share) for share in shares]


amounts = st.lists(st.integers(0, 2**60), min_size=1, max_size=12)


def accrue_all(windows: list[int], weights: tuple[int, ...]) -> list[Entitlement]:
    """Accrue windows of amounts on every line."""
    entitlements = [Entitlement() for _ in weights]
    for amount in windows:
        entitlements = [
            accrue(entitlement, amount_msat=amount, weight=weight)
            for entitlement, weight in zip(entitlements, weights, strict=True)
        ]
    return entitlements


@given(policies(), amounts)
def test_nothing_is_lost_when_the_policy_closes(lines: list[PolicyLine], windows: list[int]):
    entitlements = accrue_all(windows, weigh_lines(lines))
    assert sum(give_out_remainders(entitlements)) == sum(windows)


@given(policies(), amounts)
def test_every_line_is_within_a_millisatoshi_of_exact_after_every_window(lines: list[PolicyLine], windows: list[int]):
    weights = weigh_lines(lines)
    for end in range(1, len(windows) + 1):
        entitlements = accrue_all(windows[:end], weights)
        exact = [Fraction(sum(windows[:end]) * weight, WEIGHT_TOTAL) for weight in weights]
        closed = give_out_remainders(entitlements)
        for entitlement, given_out, share in zip(entitlements, closed, exact, strict=True):
            assert 0 <= share - entitlement.whole_msat < 1
            assert abs(share - given_out) < 1


@given(policies(), amounts)
def test_nothing_is_taken_back_while_amounts_are_not_negative(lines: list[PolicyLine], windows: list[int]):
    weights = weigh_lines(lines)
    before = accrue_all(windows[:-1], weights)
    after = accrue_all(windows, weights)
    closed = give_out_remainders(after)
    for earlier, later, given_out in zip(before, after, closed, strict=True):
        assert earlier.whole_msat <= later.whole_msat <= given_out


@given(policies(), amounts)
def test_the_split_into_windows_makes_no_difference(lines: list[PolicyLine], windows: list[int]):
    weights = weigh_lines(lines)
    assert accrue_all(windows, weights) == accrue_all([sum(windows)], weights)


@given(policies(), st.lists(st.integers(-(2**60), 2**60), min_size=1, max_size=12))
def test_refunds_leave_the_sum_exact(lines: list[PolicyLine], windows: list[int]):
    entitlements = accrue_all(windows, weigh_lines(lines))
    assert sum(give_out_remainders(entitlements)) == sum(windows)
    assert all(0 <= entitlement.remainder < WEIGHT_TOTAL for entitlement in entitlements)


def test_weights_are_fees_off_the_top_and_shares_of_the_rest():
    assert weigh_lines([PolicyLine(1_000, 0), PolicyLine(0, 400_000), PolicyLine(0, 600_000)]) == (
        10**9,
        3_600_000_000,
        5_400_000_000,
    )


def test_fees_may_be_the_whole():
    assert weigh_lines([PolicyLine(BASIS_POINTS, 0), PolicyLine(0, MILLIONTHS)]) == (WEIGHT_TOTAL, 0)


def test_ties_go_to_the_line_that_stands_first():
    thirds = accrue_all([1], weigh_lines([PolicyLine(0, 500_000), PolicyLine(0, 500_000)]))
    assert give_out_remainders(thirds) == (1, 0)


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [PolicyLine(0, MILLIONTHS - 1)],
        [PolicyLine(0, MILLIONTHS), PolicyLine(0, 1)],
        [PolicyLine(0, 0), PolicyLine(0, MILLIONTHS)],
        [PolicyLine(10, 10), PolicyLine(0, MILLIONTHS)],
        [PolicyLine(-10, 0), PolicyLine(0, MILLIONTHS)],
        [PolicyLine(BASIS_POINTS, 0), PolicyLine(1, 0), PolicyLine(0, MILLIONTHS)],
    ],
)
def test_refuses_lines_that_are_not_exactly_the_whole(lines: list[PolicyLine]):
    with pytest.raises(AllocationError):
        weigh_lines(lines)


def test_refuses_remainders_of_only_some_lines():
    with pytest.raises(AllocationError, match="whole millisatoshi"):
        give_out_remainders([Entitlement(0, 1)])
