"""When a link ends, as it is typed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.errors import ClientError, UsageError
from client.terms import LinkTerms, format_time, parse_expiry, parse_time

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90m", NOW + timedelta(minutes=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("7d", NOW + timedelta(days=7)),
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00+02:00", datetime(2030, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_durations_and_times_are_read(text: str, expected: datetime):
    assert parse_expiry(text, now=NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "7", "d", "-7d", "0d", "7 d", "7w", "1.5h", "40000d", "2030-01-31T12:00:00", "2025-01-01T00:00:00Z"]
)
def test_other_texts_and_times_that_are_over_are_wrong_usage(text: str):
    with pytest.raises(UsageError):
        parse_expiry(text, now=NOW)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_by_an_error_of_ours(text: str):
    try:
        assert parse_expiry(text, now=NOW) > NOW
    except ClientError:
        return


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001 - the strategy's form
def test_a_time_survives_its_spelling(naive: datetime):
    time = naive.replace(tzinfo=timezone(timedelta(hours=-3)))
    assert parse_time(format_time(time)) == time


def test_without_a_word_a_link_never_ends():
    assert LinkTerms().get_expiry(NOW) is None
