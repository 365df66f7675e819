"""Replaying an exported ledger."""

import json

import pytest

from payouts.rules.errors import ReplayError
from payouts.rules.replay import AccountTotals, replay_ledger


def make_line(key: object, *postings: tuple[object, object, object], reverses: object = None) -> bytes:
    """Return one line of an export."""
    written = [{"debit": debit, "credit": credit, "amount_msat": amount} for debit, credit, amount in postings]
    return json.dumps({"source_key": key, "reverses": reverses, "postings": written}).encode()


DEPOSIT = make_line("deposit", ("DEPOSITS", "READERS", "1000"))


def test_totals_follow_from_the_postings():
    totals = replay_ledger([DEPOSIT, make_line("settlement", ("READERS", "SUSPENSE", "400"))])
    assert totals == {
        "DEPOSITS": AccountTotals(1000, 0),
        "READERS": AccountTotals(400, 1000),
        "SUSPENSE": AccountTotals(0, 400),
    }
    assert totals["READERS"].balance_msat == 600


def test_a_reversal_takes_everything_back():
    totals = replay_ledger([DEPOSIT, make_line("undo", ("READERS", "DEPOSITS", "1000"), reverses="deposit")])
    assert all(total.balance_msat == 0 for total in totals.values())


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        ([b"{"], "not JSON"),
        ([b"\xff"], "not JSON"),
        ([b"[]"], "not an entry"),
        ([b'{"source_key":"a"}'], "not an entry"),
        ([make_line("", ("A", "B", "1"))], "no source key"),
        ([make_line(5, ("A", "B", "1"))], "no source key"),
        ([DEPOSIT, DEPOSIT], "twice"),
        ([make_line("empty")], "no posting"),
        ([b'{"source_key":"a","reverses":null,"postings":{}}'], "no posting"),
        ([b'{"source_key":"a","reverses":null,"postings":[7]}'], "lacks an account"),
        ([make_line("a", ("A", "", "1"))], "lacks an account"),
        ([make_line("a", ("A", "B", 1))], "lacks an account"),
        ([make_line("a", ("A", "A", "1"))], "stays on A"),
        ([make_line("a", ("A", "B", "0"))], "amount '0'"),
        ([make_line("a", ("A", "B", "-1"))], "amount '-1'"),
        ([make_line("a", ("A", "B", "01"))], "amount '01'"),
        ([make_line("a", ("A", "B", str(2**63)))], "amount"),
        ([make_line("a", ("A", "B", "9" * 5000))], "amount"),
        ([make_line("a", ("A", "B", "1"), reverses="none")], "not posted before"),
        ([make_line("a", ("A", "B", "1"), reverses=5)], "not posted before"),
        ([DEPOSIT, make_line("a", ("READERS", "DEPOSITS", "999"), reverses="deposit")], "mirror image"),
        (
            [DEPOSIT]
            + [make_line(key, ("READERS", "DEPOSITS", "1000"), reverses="deposit") for key in ("first", "second")],
            "reversed twice",
        ),
    ],
)
def test_refuses_a_ledger_that_breaks_a_rule(lines: list[bytes], cause: str):
    with pytest.raises(ReplayError, match=cause):
        replay_ledger(lines)
