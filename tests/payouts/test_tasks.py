"""The sweeps of money: each may run twice, and none fails for what only time or the operator can change."""

import logging
from collections.abc import Callable

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.follower import advance, next_event
from chain.networks import REGTEST
from config.celery import app
from payouts import tasks
from payouts.models import (
    JournalEntry,
    LedgerAccount,
    Payout,
    PayoutBatch,
    SettlementLine,
    SettlementWindow,
    Statement,
)
from payouts.rules.replay import replay_ledger
from payouts.services.charges import charge_transfer
from payouts.services.deposits import issue_deposit_address
from payouts.services.following import follow_chain, get_consumer
from payouts.services.payouts import set_payout_address
from registry.models import Record
from tests.factories.payouts import (
    NOW,
    WALLET,
    fund_reader,
    get_balance_msat,
    make_batch,
    make_link,
    make_user,
)
from tests.nodes import DevnodeProcess, MiningWallet

NAMES = {
    "payouts.follow_chain",
    "payouts.close_transfers",
    "payouts.refund_ended_links",
    "payouts.close_windows",
    "payouts.settle_windows",
    "payouts.make_statements",
    "payouts.make_payouts",
    "payouts.send_payouts",
}


def test_every_sweep_has_the_name_that_the_schedule_knows():
    assert set(app.tasks) >= NAMES
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {name for name in scheduled if name.startswith("payouts.")} == NAMES


def count_rows() -> dict[str, int]:
    """Count everything that the sweeps of the database write."""
    states = SettlementWindow.State
    return {
        "closed": SettlementWindow.objects.filter(state=states.CLOSED).count(),
        "settled": SettlementWindow.objects.filter(state=states.SETTLED).count(),
        "open": SettlementWindow.objects.filter(state=states.OPEN).count(),
        "entries": JournalEntry.objects.count(),
        "lines": SettlementLine.objects.count(),
        "documents": Record.objects.filter(kind__in=[Record.Kind.SETTLEMENT, Record.Kind.STATEMENT]).count(),
        "statements": Statement.objects.count(),
        "batches": PayoutBatch.objects.count(),
        "payouts": Payout.objects.count(),
    }


@pytest.fixture
def sale(db: None, settings: Settings) -> None:
    """Carol paid 10,000 sat for Bob's link, who has said where he is paid; its window is due."""
    settings.CADASTRE_PLATFORM_FEE_BP = 1_000
    settings.CADASTRE_PAYOUT_THRESHOLD_SAT = 1_000
    settings.CADASTRE_PAYOUT_INTERVAL_SECONDS = 0
    settings.CADASTRE_WINDOW_SECONDS = 1
    carol, bob = make_user("carol"), make_user("bob")
    fund_reader(carol, 20_000)
    set_payout_address(user=bob, address=WALLET.derive_key(1, 5_000).address(REGTEST), now=NOW)
    link = make_link(owner=bob, price_msat=10_000_000)
    charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=NOW)


@pytest.mark.parametrize(
    ("before", "sweep", "written"),
    [
        ([], tasks.close_windows_task, {"closed": 1}),
        (
            [tasks.close_windows_task],
            tasks.settle_windows_task,
            # One line pays the platform, one the uploader.
            {"closed": -1, "settled": 1, "entries": 1, "lines": 2, "documents": 1},
        ),
        (
            [tasks.close_windows_task, tasks.settle_windows_task],
            tasks.make_statements_task,
            {"statements": 1, "documents": 1},
        ),
        (
            [tasks.close_windows_task, tasks.settle_windows_task],
            tasks.make_payouts_task,
            {"batches": 1, "payouts": 1, "entries": 1},
        ),
    ],
    ids=["close", "settle", "state", "pay"],
)
def test_a_sweep_of_the_database_does_once_what_is_due_however_often_it_runs(
    sale: None, before: list[Callable[[], None]], sweep: Callable[[], None], written: dict[str, int]
):
    for earlier in before:
        earlier()
    counted = count_rows()
    sweep()
    once = count_rows()
    assert {name: once[name] - counted[name] for name in once if once[name] != counted[name]} == written
    sweep()
    assert count_rows() == once


@pytest.mark.django_db
def test_following_twice_credits_once(devnode: DevnodeProcess, settings: Settings):
    settings.CADASTRE_NODE_URL = devnode.url
    settings.CADASTRE_DEPOSIT_CONFIRMATIONS = 1
    carol, wallet = make_user("carol"), MiningWallet(devnode.client)
    wallet.pay(bytes(issue_deposit_address(user=carol, now=NOW).script), 5_000)
    wallet.mine()
    tasks.follow_chain_task()
    tasks.follow_chain_task()
    assert get_balance_msat(carol) == 5_000_000
    assert JournalEntry.objects.count() == 1


@pytest.mark.django_db
def test_a_worker_that_another_one_overtook_leaves_the_rest_to_it(devnode: DevnodeProcess, settings: Settings):
    """The cursor moves between asking for an event and applying it, as a second worker would move it."""

    class Overtaken(type(devnode.client)):  # type: ignore[misc]  # the class is known at run time only
        """A node whose every block another worker applies first."""

        def get_block(self, block_hash: str) -> bytes:
            raw = super().get_block(block_hash)
            event = next_event(node=devnode.client, consumer=get_consumer(), start_height=0)
            assert event is not None
            advance(consumer=get_consumer(), event=event)
            return bytes(raw)

    MiningWallet(devnode.client).mine(2)
    assert follow_chain(node=Overtaken(devnode.url), now=NOW) == 0


@pytest.mark.django_db
def test_without_a_wallet_the_sweeps_say_so_and_go_on(
    devnode: DevnodeProcess, settings: Settings, caplog: pytest.LogCaptureFixture
):
    settings.CADASTRE_NODE_URL = devnode.url
    settings.CADASTRE_PAYOUT_XPUB = settings.CADASTRE_PAYOUT_XPRV = ""
    make_batch(state=PayoutBatch.State.APPROVED)
    with caplog.at_level(logging.WARNING, logger="payouts.tasks"):
        tasks.follow_chain_task()
        tasks.send_payouts_task()
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "Deposits are not followed",
        "Payouts wait",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("sweep", [tasks.follow_chain_task, tasks.send_payouts_task])
def test_only_an_unavailable_node_is_tried_again(sweep):
    assert sweep.autoretry_for == (NodeUnavailableError,)


@pytest.mark.django_db
def test_the_exported_ledger_replays(capsysbinary: pytest.CaptureFixture[bytes]):
    fund_reader(make_user("carol"), 7)
    call_command("export_ledger")
    totals = replay_ledger(capsysbinary.readouterr().out.splitlines())
    assert totals[LedgerAccount.Kind.READERS].balance_msat == 7_000
