"""The sweeps of money: each may run twice, and none fails for what only time or the operator can change."""

import logging

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.follower import advance, next_event
from config.celery import app
from payouts import tasks
from payouts.models import JournalEntry, LedgerAccount, PayoutBatch, SettlementWindow
from payouts.rules.replay import replay_ledger
from payouts.services.deposits import issue_deposit_address
from payouts.services.following import CONSUMER, follow_chain
from tests.factories.payouts import NOW, fund_reader, get_balance_msat, make_batch, make_microtransaction, make_user
from tests.nodes import DevnodeProcess, MiningWallet

NAMES = {
    "payouts.follow_chain",
    "payouts.close_windows",
    "payouts.settle_windows",
    "payouts.make_statements",
    "payouts.make_payouts",
    "payouts.send_payouts",
}
DATABASE_SWEEPS = (
    tasks.close_windows_task,
    tasks.settle_windows_task,
    tasks.make_statements_task,
    tasks.make_payouts_task,
)


def test_every_sweep_has_the_name_that_the_schedule_knows():
    assert set(app.tasks) >= NAMES
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {name for name in scheduled if name.startswith("payouts.")} == NAMES


@pytest.mark.django_db
@pytest.mark.parametrize("sweep", DATABASE_SWEEPS)
def test_a_sweep_of_the_database_may_run_twice(sweep, settings: Settings):
    settings.CADASTRE_WINDOW_SECONDS = 1
    SettlementWindow.objects.create(number=0, opened_at=NOW)
    make_microtransaction()
    sweep()
    windows = list(SettlementWindow.objects.values_list("number", "state"))
    sweep()
    assert list(SettlementWindow.objects.values_list("number", "state")) == windows


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
            event = next_event(node=devnode.client, consumer=CONSUMER, start_height=0)
            assert event is not None
            advance(consumer=CONSUMER, event=event)
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
