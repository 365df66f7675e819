"""`manage.py close_window` and `export_ledger`."""

import json

import pytest
from django.core.management import call_command
from django.utils import timezone

from payouts.models import SettlementWindow
from tests.factories.payouts import fund_reader, make_microtransaction, make_user

pytestmark = pytest.mark.django_db


def test_an_operator_closes_the_window_before_its_time(capsys: pytest.CaptureFixture[str]):
    SettlementWindow.objects.create(number=0, opened_at=timezone.now())
    make_microtransaction()

    call_command("close_window")

    assert capsys.readouterr().out == "window 0 is closed\n"
    assert list(SettlementWindow.objects.order_by("number").values_list("number", "state")) == [
        (0, SettlementWindow.State.CLOSED),
        (1, SettlementWindow.State.OPEN),
    ]


@pytest.mark.parametrize("has_window", [False, True], ids=["no window", "an empty window"])
def test_there_is_nothing_to_close(has_window: bool, capsys: pytest.CaptureFixture[str]):
    if has_window:
        SettlementWindow.objects.create(number=0, opened_at=timezone.now())

    call_command("close_window")

    assert capsys.readouterr().out == "nothing to settle\n"
    assert not SettlementWindow.objects.exclude(state=SettlementWindow.State.OPEN).exists()


def test_the_ledger_is_exported_one_entry_a_line(capsys: pytest.CaptureFixture[str]):
    fund_reader(make_user("bob"), 5)
    fund_reader(make_user("carol"), 7)

    call_command("export_ledger")

    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(entries) == 2


def test_an_empty_ledger_is_exported_as_nothing(capsys: pytest.CaptureFixture[str]):
    call_command("export_ledger")

    assert capsys.readouterr().out == ""
