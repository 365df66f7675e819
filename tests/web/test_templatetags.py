"""How pages write values."""

from datetime import UTC, datetime

import pytest

from web.templatetags import cadastre


def test_a_hash_is_written_in_groups_without_spaces():
    assert cadastre.hash_code(b"\x01\x02\x03\x04\x05") == (
        '<code class="hash"><span>01020304</span><wbr><span>05</span><wbr></code>'
    )


def test_a_hash_that_is_text_is_escaped():
    assert "<b>" not in cadastre.hash_code("<b>")


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0 msat"),
        (999, "999 msat"),
        (1_000, "1,000 msat (1 sat)"),
        (1_500, "1,500 msat (1.5 sat)"),
        (1_234_567, "1,234,567 msat (1,234.567 sat)"),
        (-2_050, "-2,050 msat (-2.05 sat)"),
    ],
)
def test_amounts_are_exact_in_both_units(amount: int, words: str):
    assert cadastre.msat(amount) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(0, 100, "0 %"), (333_333, 10**6, "33.3333 %"), (1, 10**10, "0.00000001 %"), (10**10, 10**10, "100 %")],
)
def test_shares_are_exact(part: int, whole: int, words: str):
    assert cadastre.percent(part, whole) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_200, "2 hours"),
        (172_800, "2 days"),
    ],
)
def test_spans_are_told_in_the_largest_unit_of_which_there_are_two(seconds: int, words: str):
    assert cadastre.span(seconds) == words


def test_times_carry_the_machines_form():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert cadastre.moment(moment) == '<time datetime="2026-01-02T03:04:05Z">2026-01-02 03:04:05 UTC</time>'


def test_details_are_written_as_json_and_texts_plainly():
    assert cadastre.as_json({"price_msat": "5"}) == '{"price_msat": "5"}'
    assert cadastre.as_json("plain") == "plain"


def test_bytes_are_written_in_hexadecimal():
    assert cadastre.hexadecimal(memoryview(b"\x00\xff")) == "00ff"
