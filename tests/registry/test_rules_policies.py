"""How approved claims become a split policy."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.rules.policies import ApprovedShare, SharesExceedWholeError, compute_lines

HOLDERS = [uuid.UUID(int=number) for number in (3, 1, 2)]


def test_without_claims_the_uploader_gets_what_the_platform_leaves():
    lines = compute_lines(shares=[], platform_fee_bp=1000)

    assert [(line.payee, line.fee_bp, line.share_ppm) for line in lines] == [
        ("PLATFORM", 1000, 0),
        ("UPLOADER", 0, 1_000_000),
    ]


def test_holders_come_in_the_order_of_their_ids_whatever_the_order_of_claims():
    shares = [ApprovedShare(holder, 100_000) for holder in HOLDERS]

    lines = compute_lines(shares=shares, platform_fee_bp=0)

    assert lines == compute_lines(shares=reversed(shares), platform_fee_bp=0)
    assert [line.holder_id for line in lines] == [*sorted(HOLDERS), None]
    assert lines[-1].share_ppm == 700_000


def test_a_whole_claim_leaves_no_line_for_the_uploader():
    lines = compute_lines(shares=[ApprovedShare(HOLDERS[0], 1_000_000)], platform_fee_bp=0)

    assert [line.payee for line in lines] == ["HOLDER"]


def test_refuses_more_than_the_whole():
    shares = [ApprovedShare(HOLDERS[0], 600_000), ApprovedShare(HOLDERS[1], 400_001)]

    with pytest.raises(SharesExceedWholeError, match="by 1 ppm"):
        compute_lines(shares=shares, platform_fee_bp=0)


@pytest.mark.parametrize("fee_bp", [-1, 10_001])
def test_refuses_a_fee_out_of_range(fee_bp: int):
    with pytest.raises(ValueError, match="out of range"):
        compute_lines(shares=[], platform_fee_bp=fee_bp)


@given(st.lists(st.integers(1, 300_000), max_size=5), st.integers(0, 10_000))
def test_shares_sum_to_exactly_a_million(parts: list[int], fee_bp: int):
    shares = [ApprovedShare(uuid.UUID(int=number), part) for number, part in enumerate(parts)]
    if sum(parts) > 1_000_000:
        with pytest.raises(SharesExceedWholeError):
            compute_lines(shares=shares, platform_fee_bp=fee_bp)
        return

    lines = compute_lines(shares=shares, platform_fee_bp=fee_bp)

    assert sum(line.share_ppm for line in lines) == 1_000_000
    assert sum(line.fee_bp for line in lines) == fee_bp
    assert [line.position for line in lines] == list(range(len(lines)))
