"""What anchors pay: limits, and BIP 125 for whatever is replaced."""

from hypothesis import given
from hypothesis import strategies as st

from registry.rules.fees import (
    INCREMENTAL_RATE_SAT_PER_KVB,
    Paid,
    choose_rate,
    compute_fee_range,
    compute_least_replacement,
    fee_at,
)

sizes = st.integers(min_value=100, max_value=400)
paid = st.builds(Paid, fee_sat=st.integers(min_value=0, max_value=100_000), virtual_bytes=sizes)
rates = st.integers(min_value=100, max_value=1_000_000)


def test_a_fee_is_rounded_up():
    assert (fee_at(1_000, 141), fee_at(1_001, 141), fee_at(0, 141)) == (141, 142, 0)


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
