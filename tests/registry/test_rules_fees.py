"""What anchors pay: limits, and BIP 125 for whatever is replaced."""

from hypothesis import given
from hypothesis import strategies as st

from registry.rules.fees import (
    CONTINUATION_SAT_MIN,
    INCREMENTAL_RATE_SAT_PER_KVB,
    Paid,
    choose_rate,
    compute_fee_range,
    compute_least_replacement,
    count_affordable,
    fee_at,
)

sizes = st.integers(min_value=100, max_value=400)
paid = st.builds(Paid, fee_sat=st.integers(min_value=0, max_value=100_000), virtual_bytes=sizes)
rates = st.integers(min_value=100, max_value=1_000_000)


def test_a_fee_is_rounded_up():
    assert (fee_at(1_000, 141), fee_at(1_001, 141), fee_at(0, 141)) == (141, 142, 0)


def count(continuation_sat: int, *top_ups_sat: int) -> int:
    """Return for how many anchors of 1,000 sat, and 400 sat for each top-up, the funds last."""
    return count_affordable(continuation_sat=continuation_sat, top_ups_sat=top_ups_sat, anchor_sat=1_000, input_sat=400)


def test_a_continuation_pays_for_anchors_until_it_would_be_too_small_to_be_relayed():
    left_sat = CONTINUATION_SAT_MIN

    assert [count(0), count(left_sat + 999), count(left_sat + 1_000), count(left_sat + 2_999)] == [0, 0, 1, 2]


def test_top_ups_are_merged_two_at_a_time_and_cost_their_inputs():
    # The first anchor takes two for 1,800 sat, the second the third one for 1,400 sat, and 294 sat stay.
    assert count(CONTINUATION_SAT_MIN, 1_500, 1_000, 700) == 2
    assert count(CONTINUATION_SAT_MIN, 1_500, 1_000, 699) == 1


def test_many_small_top_ups_help_nothing_if_two_of_them_do_not_pay_for_the_anchor_that_takes_them():
    assert count(CONTINUATION_SAT_MIN, *[800] * 1_000) == 0
    assert count(CONTINUATION_SAT_MIN, *[900] * 1_000) == 500


@given(
    continuation_sat=st.integers(0, 20_000),
    top_ups_sat=st.lists(st.integers(401, 5_000), max_size=9).map(lambda values: sorted(values, reverse=True)),
)
def test_the_count_is_that_of_anchors_paid_one_by_one(continuation_sat: int, top_ups_sat: list[int]):
    expected, rest_sat, left = 0, continuation_sat, list(top_ups_sat)
    while True:
        merged, left = left[:2], left[2:]
        rest_sat += sum(merged) - 1_000 - 400 * len(merged)
        if rest_sat < CONTINUATION_SAT_MIN:
            break
        expected += 1

    assert count(continuation_sat, *top_ups_sat) == expected


def test_the_rate_is_the_estimate_within_its_limits():
    estimates = (None, 7_000, 90_000)

    rates = [choose_rate(estimate=estimate, floor=1_000, ceiling=50_000) for estimate in estimates]

    assert rates == [1_000, 7_000, 50_000]


def test_a_replacement_offers_a_quarter_more_though_the_estimate_is_lower():
    replaced = [Paid(fee_sat=1_600, virtual_bytes=160)]

    assert choose_rate(estimate=None, floor=1_000, ceiling=50_000, replaced=replaced) == 12_500
    assert choose_rate(estimate=20_000, floor=1_000, ceiling=50_000, replaced=replaced) == 20_000
    assert choose_rate(estimate=20_000, floor=1_000, ceiling=11_000, replaced=replaced) == 11_000


def test_a_transaction_that_replaces_nothing_has_no_least_fee():
    fees = compute_fee_range(virtual_bytes=160, rate=2_000, ceiling=50_000)

    assert (fees.wanted_sat, fees.least_sat, fees.most_sat) == (320, 0, 8_000)


def test_a_child_pays_for_a_parent_that_pays_too_little():
    cheap, dear = Paid(fee_sat=100, virtual_bytes=160), Paid(fee_sat=9_000, virtual_bytes=160)

    assert compute_fee_range(virtual_bytes=160, rate=2_000, ceiling=50_000, parents=[cheap]).wanted_sat == 540
    assert compute_fee_range(virtual_bytes=160, rate=2_000, ceiling=50_000, parents=[dear]).wanted_sat == 320


def test_the_least_fee_covers_what_is_evicted():
    replaced = [Paid(fee_sat=200, virtual_bytes=160)]

    assert compute_least_replacement(virtual_bytes=160, replaced=replaced, descendants_sat=500) == 860


@given(virtual_bytes=sizes, replaced=st.lists(paid, min_size=1, max_size=5), rate=rates, ceiling=rates, evicted=rates)
def test_a_replacement_keeps_to_bip_125(
    virtual_bytes: int, replaced: list[Paid], rate: int, ceiling: int, evicted: int
):
    fees = compute_fee_range(
        virtual_bytes=virtual_bytes, rate=rate, ceiling=ceiling, replaced=replaced, descendants_sat=evicted
    )

    for fee_sat in (fees.wanted_sat, fees.least_sat):
        for old in replaced:
            assert fee_sat - old.fee_sat - evicted >= fee_at(INCREMENTAL_RATE_SAT_PER_KVB, virtual_bytes)
            assert fee_sat * old.virtual_bytes > old.fee_sat * virtual_bytes


@given(virtual_bytes=sizes, parents=st.lists(paid, max_size=3), rate=rates, ceiling=rates, replaced=st.lists(paid))
def test_the_fee_is_never_above_the_most_unless_the_least_is(
    virtual_bytes: int, parents: list[Paid], rate: int, ceiling: int, replaced: list[Paid]
):
    fees = compute_fee_range(
        virtual_bytes=virtual_bytes, rate=min(rate, ceiling), ceiling=ceiling, parents=parents, replaced=replaced
    )

    assert fees.least_sat <= fees.wanted_sat <= max(fees.most_sat, fees.least_sat)
