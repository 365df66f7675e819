"""Keys: UUIDv7s alone and in ranges."""

import time
from uuid import UUID

import pytest

from database.keys import RANGE_BITS, make_key, make_key_range


def test_keys_sort_by_time():
    before = make_key()
    time.sleep(0.002)

    assert before.version == 7
    assert before < make_key()


def test_a_range_is_of_keys_that_follow_each_other_and_sort_with_the_others():
    before = make_key()
    time.sleep(0.002)
    first = make_key_range(1 << RANGE_BITS)
    last = UUID(int=first.int + (1 << RANGE_BITS) - 1)
    time.sleep(0.002)

    assert {first.version, last.version} == {7}
    assert {first.variant, last.variant} == {before.variant}
    assert before < first < last < make_key()


def test_ranges_do_not_overlap():
    firsts = {make_key_range(1 << RANGE_BITS).int >> RANGE_BITS for _ in range(1_000)}

    assert len(firsts) == 1_000


@pytest.mark.parametrize("count", [0, -1, (1 << RANGE_BITS) + 1])
def test_a_range_is_not_empty_and_has_an_end(count: int):
    with pytest.raises(ValueError, match="keys"):
        make_key_range(count)
