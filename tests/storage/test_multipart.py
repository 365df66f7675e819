"""How a length is cut into parts, and how the parts that arrived are compared with that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import PartNumberError, PartsWrongError
from storage.multipart import ALIGNMENT_BYTES, PartPlan, StoredPart, plan_parts

MIB = 1024 * 1024


def store_all(plan: PartPlan) -> list[StoredPart]:
    return [StoredPart(number, plan.get_part_length(number), "etag") for number in range(1, plan.count + 1)]


@given(st.integers(1, 64 * 2**30), st.integers(MIB, 64 * MIB), st.integers(100, 10_000))
def test_parts_make_up_the_length_and_are_as_many_and_as_large_as_allowed(length: int, minimum: int, most: int):
    plan = plan_parts(length, part_bytes_min=minimum, parts_max=most)

    assert plan.part_bytes >= minimum
    assert plan.count <= most
    assert (plan.count - 1) * plan.part_bytes + plan.get_part_length(plan.count) == length
    assert plan.part_bytes == minimum or plan.part_bytes % ALIGNMENT_BYTES == 0


def test_only_the_last_part_is_shorter():
    plan = PartPlan(10, 4)

    assert [plan.get_part_length(number) for number in (1, 2, 3)] == [4, 4, 2]


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_a_part_outside_the_upload_is_refused(number: int):
    with pytest.raises(PartNumberError, match="1 to 3"):
        PartPlan(10, 4).get_part_length(number)


def test_all_parts_of_their_lengths_are_accepted_in_any_order():
    PartPlan(10, 4).check(store_all(PartPlan(10, 4))[::-1])


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ([], [1, 2, 3]),
        ([StoredPart(1, 4, ""), StoredPart(3, 2, "")], [2]),
        ([StoredPart(1, 4, ""), StoredPart(2, 4, ""), StoredPart(3, 1, "")], [3]),
        ([StoredPart(1, 4, ""), StoredPart(2, 5, ""), StoredPart(3, 2, "")], [2]),
        ([*store_all(PartPlan(10, 4)), StoredPart(4, 4, "")], [4]),
    ],
    ids=["none", "missing", "short", "long", "more"],
)
def test_missing_short_long_and_surplus_parts_are_named(changed: list[StoredPart], wrong: list[int]):
    with pytest.raises(PartsWrongError) as refused:
        PartPlan(10, 4).check(changed)

    assert refused.value.numbers == wrong
