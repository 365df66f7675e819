"""When windows open and close, and charges that run at the same time."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from pytest_django.fixtures import Settings

from payouts.errors import PaymentRequiredError
from payouts.models import Entitlement, Microtransaction, SettlementWindow
from payouts.services.charges import charge_transfer
from payouts.services.windows import close_window, open_first_window, stamp_open_window
from tests.factories.payouts import NOW, fund_reader, get_balance_msat, make_link, make_microtransaction, make_user
from tests.threads import run_together

State = SettlementWindow.State


@pytest.fixture
def later(settings: Settings):
    """Return the first moment at which a window opened at NOW may close."""
    return NOW + timedelta(seconds=settings.CADASTRE_WINDOW_SECONDS)


@pytest.mark.django_db
def test_the_first_window_is_opened_once():
    with transaction.atomic():
        assert open_first_window(now=NOW).number == 0
        assert stamp_open_window(now=NOW) == 0
    assert SettlementWindow.objects.count() == 1


@pytest.mark.django_db
def test_a_window_closes_when_its_time_is_over_and_the_next_one_opens(later: datetime):
    with transaction.atomic():
        stamp_open_window(now=NOW)
    make_microtransaction()
    closed = close_window(now=later)
    assert closed is not None
    assert list(SettlementWindow.objects.order_by("number").values_list("number", "state", "opened_at")) == [
        (0, State.CLOSED, NOW),
        (1, State.OPEN, later),
    ]


@pytest.mark.django_db
def test_no_window_closes_early_or_empty_or_before_there_is_one(later: datetime):
    assert close_window(now=later) is None
    with transaction.atomic():
        stamp_open_window(now=NOW)
    assert close_window(now=later) is None
    make_microtransaction()
    assert close_window(now=later - timedelta(seconds=1)) is None
    assert SettlementWindow.objects.get().state == State.OPEN


@pytest.mark.django_db(transaction=True)
def test_clicks_at_the_same_time_pay_once():
    carol = make_user("carol")
    fund_reader(carol, 10)
    link = make_link(owner=make_user("bob"), price_msat=4_000)

    def click(moment: int) -> Callable[[], None]:
        def buy() -> None:
            # The clock is read before the lock is taken, so the order of the two may differ.
            at = NOW + timedelta(seconds=9, milliseconds=-moment)
            charge_transfer(
                payer=carol, link_id=link.id, territory=None, price_max_msat=None, requested_bytes=1, now=at
            )

        return buy

    assert run_together([click(moment) for moment in range(8)]) == []
    assert get_balance_msat(carol) == 6_000
    assert sorted(Microtransaction.objects.values_list("amount_msat", flat=True)) == [*[0] * 7, 4_000]
    assert Entitlement.objects.get().bytes_served == 8


@pytest.mark.django_db(transaction=True)
def test_a_balance_is_never_spent_twice():
    carol = make_user("carol")
    fund_reader(carol, 10)
    links = [make_link(owner=make_user("bob"), price_msat=4_000).id for _ in range(5)]

    def click(link_id: UUID) -> Callable[[], None]:
        def buy() -> None:
            charge_transfer(payer=carol, link_id=link_id, territory=None, price_max_msat=None, now=NOW)

        return buy

    errors = run_together([click(link_id) for link_id in links])
    assert [type(error) for error in errors] == [PaymentRequiredError] * 3
    assert get_balance_msat(carol) == 2_000


@pytest.mark.django_db(transaction=True)
def test_no_charge_is_stamped_with_a_window_that_closed_before_it(later: datetime):
    """Charges race with closings; every row of a closed window was there when it closed."""
    readers = [make_user("carol") for _ in range(4)]
    for reader in readers:
        fund_reader(reader, 10)
    link = make_link(owner=make_user("bob"), price_msat=1)
    counted: dict[int, int] = {}

    def buy(index: int) -> Callable[[], None]:
        def charge() -> None:
            charge_transfer(payer=readers[index], link_id=link.id, territory=None, price_max_msat=None, now=NOW)

        return charge

    def close() -> None:
        for moment in range(20):
            window = close_window(now=later + moment * (later - NOW))
            if window is not None:
                counted[window.number] = Microtransaction.objects.filter(window=window.number).count()

    assert run_together([*(buy(index) for index in range(4)), close]) == []
    for number, count in counted.items():
        assert Microtransaction.objects.filter(window=number).count() == count
    assert Microtransaction.objects.count() == 4
