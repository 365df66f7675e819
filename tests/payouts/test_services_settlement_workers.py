"""Settling beside other workers: nothing long in the transaction, each window once, and only what was hashed."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from payouts.errors import TreeMismatchError
from payouts.models import LedgerAccount, SettlementLine, SettlementWindow
from payouts.selectors.ledger import get_balance
from payouts.services.charges import charge_transfer
from payouts.services.settlement import settle_window, settle_windows
from payouts.services.windows import close_window
from storage.models import Link
from tests.factories.payouts import NOW, fund_reader, make_account, make_link, make_microtransaction, make_user
from tests.threads import run_together
from users.models import User

State = SettlementWindow.State
HOUR = timedelta(hours=1)


@pytest.fixture
def carol() -> User:
    user = make_user("carol")
    fund_reader(user, 1_000)
    return user


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def buy(payer: User, link: Link) -> None:
    """Charge a transfer."""
    charge_transfer(payer=payer, link_id=link.id, territory=None, price_max_msat=None, now=NOW)


@pytest.mark.django_db
def test_a_closed_window_that_changes_while_it_is_hashed_is_not_settled(carol: User, bob: User):
    buy(carol, make_link(owner=bob, price_msat=1_000))
    window = close_window(now=NOW + HOUR)
    assert window is not None
    forged: list[int] = []

    def forge(execute: Callable[..., object], sql: str, *rest: object) -> object:
        """Add a row once the leaves were read, as no charge can."""
        if sql.startswith('UPDATE "payouts_settlementwindow"') and not forged:
            forged.append(1)
            make_microtransaction(window=window.number, amount_msat=5)
        return execute(sql, *rest)

    with connection.execute_wrapper(forge), pytest.raises(TreeMismatchError, match="1000 msat, but sums of 2 and 1005"):
        settle_window(number=window.number, now=NOW + HOUR)
    window.refresh_from_db()
    assert (window.state, SettlementLine.objects.count()) == (State.CLOSED, 0)


@pytest.mark.django_db
def test_leaves_are_hashed_before_the_transaction(carol: User, bob: User):
    buy(carol, make_link(owner=bob, price_msat=1_000))
    window = close_window(now=NOW + HOUR)
    assert window is not None
    depths: list[int] = []

    def watch(execute: Callable[..., object], sql: str, *rest: object) -> object:
        if 'FROM "payouts_microtransaction"' in sql and "SUM(" not in sql:
            depths.append(len(connection.savepoint_ids))
        return execute(sql, *rest)

    outside = len(connection.savepoint_ids)
    with connection.execute_wrapper(watch):
        settle_window(number=window.number, now=NOW + HOUR)
    assert depths == [outside]


@pytest.mark.django_db(transaction=True)
def test_two_workers_settle_a_window_once():
    carol, bob = make_user("carol"), make_user("bob")
    fund_reader(carol, 1_000)
    buy(carol, make_link(owner=bob, price_msat=1_000))
    close_window(now=NOW + HOUR)
    settled: list[list[int]] = []
    errors = run_together([lambda: settled.append(settle_windows(now=NOW + HOUR))] * 3)
    assert errors == []
    assert sorted(settled) == [[], [], [0]]
    assert get_balance(make_account(LedgerAccount.Kind.PAYABLE, user_id=bob.id)).credit_balance_msat == 900
