"""Settling windows: exact shares, once each, registered with their trees."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from payouts.errors import WindowStateError
from payouts.models import Carry, JournalEntry, LedgerAccount, SettlementLine, SettlementWindow, Statement
from payouts.rules.sumtree import EMPTY_ROOT, build_root, check_inclusion, prove_inclusion
from payouts.selectors.ledger import get_balance, get_balances_by_kind
from payouts.services.charges import charge_transfer, refund_transfer
from payouts.services.settlement import (
    iterate_refund_leaves,
    iterate_transfer_leaves,
    settle_window,
    settle_windows,
)
from payouts.services.statements import make_statement, make_statements
from payouts.services.windows import close_window
from registry.models import Record, SplitLine, SplitPolicy
from storage.models import Link
from tests.factories.payouts import (
    NOW,
    fund_reader,
    get_record,
    make_account,
    make_holder,
    make_link,
    make_user,
    start_shares,
)
from users.models import User

Kind = LedgerAccount.Kind
State = SettlementWindow.State
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def hourly_windows(settings: Settings):
    settings.CADASTRE_WINDOW_SECONDS = 3_600
    settings.CADASTRE_PLATFORM_FEE_BP = 1_000
    settings.CADASTRE_ENTITLEMENT_SECONDS = 1


@pytest.fixture
def carol() -> User:
    user = make_user("carol")
    fund_reader(user, 1_000)
    return user


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def buy(payer: User, link: Link, *, at: datetime, affiliate: User | None = None):
    """Charge a transfer and return its id."""
    return charge_transfer(
        payer=payer,
        link_id=link.id,
        territory=None,
        price_max_msat=None,
        now=at,
        affiliate_id=None if affiliate is None else affiliate.id,
    ).transfer_id


def settle(at: datetime) -> SettlementWindow:
    """Close the open window and settle it."""
    window = close_window(now=at)
    assert window is not None
    return settle_window(number=window.number, now=at)


def held(kind: LedgerAccount.Kind, **owner: UUID) -> int:
    """Return what an account holds."""
    return get_balance(make_account(kind, **owner)).credit_balance_msat


@pytest.mark.django_db
def test_a_window_pays_the_platform_the_holders_and_the_uploader(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=1_001)
    alice = make_holder("Alice")
    start_shares(link, [(alice, 400_000)], now=NOW + timedelta(seconds=1))
    buy(carol, link, at=NOW + timedelta(seconds=2))
    window = settle(NOW + HOUR + timedelta(seconds=2))
    assert held(Kind.PLATFORM) == 100  # 10 % of 1,001
    assert held(Kind.PAYABLE, holder_id=alice.id) == 360  # 40 % of the rest, 360.36
    assert held(Kind.PAYABLE, user_id=bob.id) == 540  # 60 % of the rest, 540.54
    assert held(Kind.SUSPENSE) == 1
    assert held(Kind.READERS) == 1_000_000 - 1_001
    assert list(SettlementLine.objects.order_by("position").values_list("amount_msat", "gross_msat")) == [
        (100, 1_001),
        (360, 1_001),
        (540, 1_001),
    ]
    assert (window.state, window.count, window.sum_msat) == (State.SETTLED, 1, 1_001)


@pytest.mark.django_db
def test_remainders_are_carried_to_the_next_window(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=1)
    for hour in range(10):
        buy(carol, link, at=NOW + hour * HOUR)
        settle(NOW + (hour + 1) * HOUR)
    assert held(Kind.PLATFORM) == 1
    assert held(Kind.PAYABLE, user_id=bob.id) == 9
    assert held(Kind.SUSPENSE) == 0


@pytest.mark.django_db
def test_an_ended_policy_gives_out_its_remainders_in_the_first_window_after_it(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=15)
    buy(carol, link, at=NOW)
    settle(NOW + HOUR)
    assert (held(Kind.PLATFORM), held(Kind.PAYABLE, user_id=bob.id), held(Kind.SUSPENSE)) == (1, 13, 1)
    start_shares(link, [(make_holder("Alice"), 1_000_000)], now=NOW + 2 * HOUR)
    other = make_link(owner=bob, price_msat=0)
    buy(carol, other, at=NOW + 2 * HOUR)
    settle(NOW + 3 * HOUR)  # the window was opened before the policy ended
    assert held(Kind.SUSPENSE) == 1
    buy(carol, other, at=NOW + 3 * HOUR)
    window = settle(NOW + 4 * HOUR)
    assert (held(Kind.PLATFORM), held(Kind.PAYABLE, user_id=bob.id), held(Kind.SUSPENSE)) == (2, 13, 0)
    assert list(window.lines.values_list("amount_msat", "gross_msat", "transfer_count")) == [(1, 0, 0)]
    closed = Carry.objects.filter(record=get_record(link)).values_list("closed_at", flat=True)
    assert set(closed) == {NOW + 4 * HOUR}


@pytest.mark.django_db
def test_a_late_refund_of_an_ended_policy_keeps_the_sum_exact(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=15)
    transfers = [buy(carol, link, at=NOW + timedelta(seconds=2 * number)) for number in range(2)]
    settle(NOW + HOUR)
    start_shares(link, [(make_holder("Alice"), 1_000_000)], now=NOW + HOUR)
    buy(carol, link, at=NOW + HOUR)
    settle(NOW + 2 * HOUR)
    refund_transfer(transfer_id=transfers[0], reason="x", now=NOW + 2 * HOUR)
    settle(NOW + 3 * HOUR)
    carries = Carry.objects.filter(policy__version=0)
    assert sum(carry.posted_msat for carry in carries) == 15
    # The new policy's own dust is all that is left.
    new = Carry.objects.filter(policy__version=1)
    assert held(Kind.SUSPENSE) == 15 - sum(carry.posted_msat for carry in new)


@pytest.mark.django_db
def test_a_window_of_refunds_alone_takes_back_in_the_opposite_direction(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=1_001)
    transfer_id = buy(carol, link, at=NOW)
    settle(NOW + HOUR)
    refund_transfer(transfer_id=transfer_id, reason="The blob could not be read.", now=NOW + HOUR)
    window = settle(NOW + 2 * HOUR)
    assert held(Kind.PLATFORM) == held(Kind.PAYABLE, user_id=bob.id) == held(Kind.SUSPENSE) == 0
    assert held(Kind.READERS) == 1_000_000
    assert (window.count, window.sum_msat, window.refund_count, window.refund_sum_msat) == (0, 0, 1, 1_001)
    assert set(window.lines.values_list("gross_msat", "transfer_count")) == {(-1_001, 0)}


@pytest.mark.django_db
def test_a_window_of_free_transfers_posts_nothing_but_is_registered(carol: User, bob: User):
    buy(carol, make_link(owner=bob, price_msat=0), at=NOW)
    entries = JournalEntry.objects.count()
    window = settle(NOW + HOUR)
    assert JournalEntry.objects.count() == entries
    assert not window.lines.exists()
    assert (window.count, window.sum_msat) == (1, 0)
    assert window.record is not None


@pytest.mark.django_db
def test_an_affiliate_line_pays_the_affiliate_or_else_the_platform(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=1_000)
    work, starts_at = get_record(link).work, NOW + timedelta(seconds=1)
    assert work is not None
    SplitPolicy.objects.filter(work=work).update(valid_to=starts_at)
    policy = SplitPolicy.objects.create(work=work, version=1, valid_from=starts_at, created_at=starts_at)
    payees = [("AFFILIATE", 1_000, 0), ("UNCLAIMED", 0, 500_000), ("ESCROW", 0, 500_000)]
    for position, (payee, fee_bp, share_ppm) in enumerate(payees):
        SplitLine.objects.create(policy=policy, position=position, payee=payee, fee_bp=fee_bp, share_ppm=share_ppm)
    affiliate = make_user("affiliate")
    buy(carol, link, at=starts_at, affiliate=affiliate)
    buy(carol, link, at=starts_at + timedelta(seconds=2))
    settle(starts_at + HOUR)
    assert held(Kind.PAYABLE, user_id=affiliate.id) == 100
    assert held(Kind.PLATFORM) == 100
    assert (held(Kind.UNCLAIMED), held(Kind.ESCROW)) == (900, 900)


@pytest.mark.django_db
def test_a_window_is_settled_once(carol: User, bob: User):
    buy(carol, make_link(owner=bob, price_msat=10), at=NOW)
    settle(NOW + HOUR)
    with pytest.raises(WindowStateError):
        settle_window(number=0, now=NOW + HOUR)
    assert settle_windows(now=NOW + HOUR) == []
    assert held(Kind.READERS) == 1_000_000 - 10
    assert Record.objects.filter(kind=Record.Kind.SETTLEMENT).count() == 1


@pytest.mark.django_db
def test_an_open_window_is_not_settled(carol: User, bob: User):
    buy(carol, make_link(owner=bob, price_msat=10), at=NOW)
    with pytest.raises(WindowStateError):
        settle_window(number=0, now=NOW)


@pytest.mark.django_db
def test_windows_are_settled_in_order(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=10)
    for hour in range(2):
        buy(carol, link, at=NOW + hour * HOUR)
        close_window(now=NOW + (hour + 1) * HOUR)
    with pytest.raises(WindowStateError, match="has to wait"):
        settle_window(number=1, now=NOW + 2 * HOUR)
    assert SettlementWindow.objects.get(number=1).state == State.CLOSED
    assert settle_windows(now=NOW + 2 * HOUR) == [0, 1]


@pytest.mark.django_db
def test_a_window_that_waits_for_another_is_left_to_the_next_sweep(carol: User, bob: User):
    SettlementWindow.objects.create(number=0, opened_at=NOW)
    SettlementWindow.objects.create(number=1, state=State.CLOSED, opened_at=NOW, closed_at=NOW)
    assert settle_windows(now=NOW) == []


@pytest.mark.django_db
def test_a_settlement_that_breaks_off_leaves_nothing(carol: User, bob: User):
    buy(carol, make_link(owner=bob, price_msat=10), at=NOW)
    close_window(now=NOW + HOUR)

    def crash(execute: Callable[..., object], sql: str, *rest: object) -> object:
        """End before the postings, after everything else."""
        if sql.startswith('INSERT INTO "payouts_posting"'):
            raise KeyboardInterrupt
        return execute(sql, *rest)

    with connection.execute_wrapper(crash), pytest.raises(KeyboardInterrupt):
        settle_window(number=0, now=NOW + HOUR)
    assert SettlementWindow.objects.get(number=0).state == State.CLOSED
    assert not SettlementLine.objects.exists()
    assert not Carry.objects.exists()
    assert settle_windows(now=NOW + HOUR) == [0]


@pytest.mark.django_db
def test_the_registered_document_names_both_trees_and_the_one_before(carol: User, bob: User):
    links = [make_link(owner=bob, price_msat=price) for price in (10, 0, 30)]
    transfers = [buy(carol, link, at=NOW) for link in links]
    first = settle(NOW + HOUR)
    refund_transfer(transfer_id=transfers[2], reason="x", now=NOW + HOUR)
    second = settle(NOW + 2 * HOUR)
    assert first.record is not None
    assert second.record is not None
    document = json.loads(bytes(first.record.document or b""))
    leaves = list(iterate_transfer_leaves(number=0))
    root = build_root(leaves)
    assert first.record.kind == Record.Kind.SETTLEMENT
    assert document["type"] == "cadastre/settlement/v1"
    assert document["window"] == "0"
    assert document["transfers"] == {"count": "3", "sum_msat": "40", "root": root.hash.hex()}
    assert document["refunds"] == {"count": "0", "sum_msat": "0", "root": EMPTY_ROOT.hex()}
    assert document["previous_sha256"] == "0" * 64
    later = json.loads(bytes(second.record.document or b""))
    assert later["previous_sha256"] == bytes(first.record.sha256).hex()
    assert later["refunds"]["sum_msat"] == "30"
    assert [leaf.transfer_id for leaf in iterate_refund_leaves(number=1)] == [transfers[2]]
    for index, leaf in enumerate(leaves):
        check_inclusion(leaf=leaf, index=index, path=prove_inclusion(leaves, index), root=root)


@pytest.mark.django_db
def test_settling_asks_the_database_as_often_for_many_transfers_as_for_few(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=10)
    counts = []
    for hour, transfers in enumerate((3, 3, 40)):
        for number in range(transfers):
            buy(carol, link, at=NOW + hour * HOUR + timedelta(seconds=2 * number))
        close_window(now=NOW + (hour + 1) * HOUR)
        before = len(connection.queries_log)
        connection.force_debug_cursor = True
        settle_window(number=hour, now=NOW + (hour + 1) * HOUR)
        connection.force_debug_cursor = False
        counts.append(len(connection.queries_log) - before)
    assert counts[1] == counts[2]


@pytest.mark.django_db
def test_statements_continue_where_the_last_one_ended(carol: User, bob: User):
    link = make_link(owner=bob, price_msat=1_000)
    assert make_statements(now=NOW) == []
    buy(carol, link, at=NOW)
    settle(NOW + HOUR)
    (first,) = make_statements(now=NOW + HOUR)
    assert make_statements(now=NOW + HOUR) == []
    # As for a worker that another one overtook after both had seen that a statement was due.
    assert make_statement(account=first.account, last_window=first.last_window, now=NOW + HOUR) is None
    for hour in (1, 2):
        buy(carol, link, at=NOW + hour * HOUR)
        settle(NOW + (hour + 1) * HOUR)
    (second,) = make_statements(now=NOW + 3 * HOUR)
    assert (first.number, first.first_window, first.last_window, first.total_msat) == (0, 0, 0, 900)
    assert (second.number, second.first_window, second.last_window, second.total_msat) == (1, 1, 2, 1_800)
    document = json.loads(bytes(second.record.document or b""))
    assert document["account"] == f"PAYABLE:user:{bob.id}"
    assert [line["window"] for line in document["lines"]] == ["1", "2"]
    assert document["total_msat"] == "1800"
    assert second.record.kind == Record.Kind.STATEMENT
    assert Statement.objects.count() == 2


class ExactnessTest(TestCase):
    """Whatever is charged and refunded in whatever windows, everybody is within 1 msat of exact."""

    @given(
        st.lists(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=4), min_size=1, max_size=4)
    )
    @hypothesis_settings(max_examples=12, deadline=None)
    def test_every_payee_is_within_a_millisatoshi_of_exact(self, windows: list[list[tuple[int, bool]]]):
        bob, carol = make_user("bob"), make_user("carol")
        fund_reader(carol, 1_000)
        links = [make_link(owner=bob, price_msat=price) for price in (1, 7, 333)]
        charged = 0
        for hour, transfers in enumerate(windows):
            for number, (which, is_refunded) in enumerate(transfers):
                at = NOW + hour * HOUR + timedelta(seconds=2 * number)
                transfer_id = buy(carol, links[which], at=at)
                if is_refunded:
                    refund_transfer(transfer_id=transfer_id, reason="x", now=at)
                charged += 0 if is_refunded else links[which].price_msat
            settle(NOW + (hour + 1) * HOUR)
        balances = get_balances_by_kind()
        paid = held(Kind.PLATFORM) + held(Kind.PAYABLE, user_id=bob.id)
        assert balances[Kind.READERS].credit_balance_msat == 1_000_000 - charged
        assert paid + held(Kind.SUSPENSE) == charged
        for carry in Carry.objects.all():
            assert 0 <= carry.remainder < 10**10
            assert carry.posted_msat == carry.entitled_msat
        assert abs(held(Kind.PLATFORM) - charged / 10) < len(links)


@pytest.mark.django_db
def test_an_account_is_stated_again_only_when_it_has_new_lines(
    carol: User, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
):
    links = [make_link(owner=make_user("bob"), price_msat=1_000) for _ in range(4)]
    for link in links:
        buy(carol, link, at=NOW)
    settle(NOW + HOUR)
    assert len(make_statements(now=NOW + HOUR)) == 4
    buy(carol, links[0], at=NOW + HOUR)
    settle(NOW + 2 * HOUR)
    assert [statement.account.user for statement in make_statements(now=NOW + 2 * HOUR)] == [links[0].owner]
    with django_assert_max_num_queries(2):
        assert make_statements(now=NOW + 2 * HOUR) == []
