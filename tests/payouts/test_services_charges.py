"""Charging a transfer before its first byte, and refunding one that could not be served."""

from datetime import datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest
from pytest_django.fixtures import Settings

from payouts.errors import (
    BalanceFrozenError,
    PaymentRequiredError,
    PriceAboveMaxError,
    RefundError,
    TransferNotFoundError,
    WindowStateError,
)
from payouts.models import Balance, Entitlement, Microtransaction, OpenTransfer, Refund, SettlementWindow
from payouts.services.charges import (
    Charge,
    charge_transfer,
    close_abandoned_transfers,
    close_transfer,
    refund_transfer,
)
from registry.errors import RecordNotReadyError
from storage.errors import LinkNotFoundError
from storage.models import Link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat, get_record, make_link, make_user
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db
Reason = Microtransaction.Reason
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    """A reader with 10,000 msat."""
    user = make_user("carol")
    fund_reader(user, 10)
    return user


@pytest.fixture
def link(bob: User) -> Link:
    return make_link(owner=bob, price_msat=1_500)


def charge(
    payer: User | None,
    link: Link,
    *,
    price_max_msat: int | None = None,
    requested_bytes: int | None = None,
    now: datetime = NOW,
) -> Charge:
    """Charge a transfer in the plainest way."""
    return charge_transfer(
        payer=payer,
        link_id=link.id,
        territory=None,
        price_max_msat=price_max_msat,
        requested_bytes=requested_bytes,
        now=now,
    )


def test_a_charge_takes_the_price_and_writes_what_it_was_charged_under(carol: User, link: Link):
    result = charge_transfer(
        payer=carol, link_id=link.id, territory="FR", price_max_msat=1_500, now=NOW, nonce_sha256=b"\7" * 32
    )
    row = Microtransaction.objects.get()
    record = get_record(link)
    assert get_balance_msat(carol) == 8_500
    assert (result.transfer_id, result.amount_msat, result.reason) == (row.id, 1_500, Reason.PRICE)
    assert (row.record_id, row.work_id, row.policy_id) == (record.id, record.work_id, result.terms.policy_id)
    assert (row.payer_id, row.uploader_id, row.affiliate_id) == (carol.id, link.owner_id, None)
    assert (row.window, row.amount_msat, bytes(row.nonce_sha256)) == (0, 1_500, b"\7" * 32)


def test_a_double_click_pays_once(carol: User, link: Link):
    first, second = charge(carol, link), charge(carol, link)
    assert (second.amount_msat, second.reason) == (0, Reason.ENTITLED)
    assert second.entitlement_id == first.entitlement_id
    assert get_balance_msat(carol) == 8_500
    assert Microtransaction.objects.count() == 2


def test_a_repeat_is_free_until_its_entitlement_ends(carol: User, link: Link, settings: Settings):
    charge(carol, link)
    ends = timedelta(seconds=settings.CADASTRE_ENTITLEMENT_SECONDS)
    assert charge(carol, link, now=NOW + ends - timedelta(seconds=1)).reason == Reason.ENTITLED
    assert charge(carol, link, now=NOW + ends).reason == Reason.PRICE
    assert list(Entitlement.objects.order_by("number").values_list("number", flat=True)) == [0, 1]


def test_a_repeat_is_paid_again_once_three_lengths_were_served(carol: User, link: Link):
    for _ in range(2):
        charge(carol, link)
    assert charge(carol, link, requested_bytes=999).reason == Reason.ENTITLED
    assert charge(carol, link, requested_bytes=1).reason == Reason.ENTITLED
    assert charge(carol, link, requested_bytes=1).reason == Reason.PRICE
    assert get_balance_msat(carol) == 7_000


def test_requests_side_by_side_get_no_more_than_is_allowed(carol: User, link: Link):
    """None of them is closed before the last one is charged."""
    side_by_side = [charge(carol, link) for _ in range(4)]
    assert [item.reason for item in side_by_side] == [Reason.PRICE, Reason.ENTITLED, Reason.ENTITLED, Reason.PRICE]
    served = Entitlement.objects.order_by("number").values_list("bytes_served", flat=True)
    assert list(served) == [3_000, 1_000]


def test_a_clock_that_was_read_before_the_lock_pays_once(carol: User, link: Link):
    """Whoever gets the lock second may have read the clock first."""
    reasons = [charge(carol, link, now=LATER - timedelta(milliseconds=moment)).reason for moment in range(3)]
    assert reasons == [Reason.PRICE, Reason.ENTITLED, Reason.ENTITLED]
    assert get_balance_msat(carol) == 8_500


def test_what_was_not_sent_is_given_back(carol: User, link: Link):
    for _ in range(9):
        close_transfer(charge=charge(carol, link), sent_bytes=100, fault=None, now=NOW)
    assert Entitlement.objects.get().bytes_served == 900
    assert not Refund.objects.exists()


def test_a_transfer_that_the_server_broke_off_is_refunded(carol: User, link: Link):
    refund = close_transfer(charge=charge(carol, link), sent_bytes=999, fault="The disk failed. " * 20, now=NOW)
    assert refund is not None
    assert refund.reason.startswith("The disk failed.")
    assert get_balance_msat(carol) == 10_000
    assert charge(carol, link).reason == Reason.PRICE


def test_a_repeat_that_the_server_broke_off_refunds_what_was_paid_before(carol: User, link: Link):
    close_transfer(charge=charge(carol, link), sent_bytes=400, fault=None, now=NOW)
    repeat = charge(carol, link, requested_bytes=600)
    refund = close_transfer(charge=repeat, sent_bytes=599, fault="x", now=LATER)
    assert refund is not None
    assert (refund.amount_msat, get_balance_msat(carol)) == (1_500, 10_000)


def test_a_transfer_is_closed_once(carol: User, link: Link):
    first, second = charge(carol, link), charge(carol, link)
    for _ in range(2):
        close_transfer(charge=first, sent_bytes=400, fault=None, now=NOW)
    assert Entitlement.objects.get().bytes_served == 1_400
    assert OpenTransfer.objects.get().transfer_id == second.transfer_id
    assert close_transfer(charge=second, sent_bytes=0, fault="x", now=NOW) is not None
    assert close_transfer(charge=second, sent_bytes=0, fault="x", now=NOW) is None
    assert get_balance_msat(carol) == 10_000


@pytest.mark.django_db(transaction=True)
def test_a_transfer_that_is_closed_from_several_sides_at_once_is_closed_once(carol: User, link: Link):
    opened = charge(carol, link)
    close = partial(close_transfer, charge=opened, sent_bytes=400, fault=None, now=NOW)
    assert run_together([close] * 4) == []
    assert Entitlement.objects.get().bytes_served == 400


def test_what_was_sent_whole_is_closed_and_stays_paid(carol: User, link: Link, settings: Settings):
    close_transfer(charge=charge(carol, link), sent_bytes=1_000, fault=None, now=NOW)
    assert not OpenTransfer.objects.exists()
    assert close_abandoned_transfers(now=NOW + timedelta(seconds=9 * settings.CADASTRE_ENTITLEMENT_SECONDS)) == 0
    assert get_balance_msat(carol) == 8_500


def test_a_transfer_that_nobody_closed_is_refunded_once_nobody_can_be_sending_it(
    carol: User, link: Link, settings: Settings
):
    opened = charge(carol, link)
    due = NOW + timedelta(seconds=2 * settings.CADASTRE_ENTITLEMENT_SECONDS)
    assert opened.ends_at == NOW + timedelta(seconds=settings.CADASTRE_ENTITLEMENT_SECONDS)
    assert close_abandoned_transfers(now=due - timedelta(seconds=1)) == 0
    assert get_balance_msat(carol) == 8_500
    assert close_abandoned_transfers(now=due) == 1
    assert close_abandoned_transfers(now=due) == 0
    refund = Refund.objects.get()
    assert (refund.microtransaction_id, refund.reason) == (
        opened.transfer_id,
        "The server did not finish the transfer.",
    )
    assert get_balance_msat(carol) == 10_000
    assert Entitlement.objects.get().bytes_served == 0


def test_transfers_that_nobody_closed_refund_nothing_if_the_whole_was_sent_besides(
    carol: User, link: Link, settings: Settings
):
    whole, _, _ = charge(carol, link), charge(carol, link), charge(carol, link)
    close_transfer(charge=whole, sent_bytes=1_000, fault=None, now=NOW)
    assert close_abandoned_transfers(now=NOW + timedelta(seconds=2 * settings.CADASTRE_ENTITLEMENT_SECONDS)) == 2
    assert Entitlement.objects.get().bytes_served == 1_000
    assert not Refund.objects.exists()


def test_several_transfers_that_nobody_closed_refund_their_price_once(carol: User, link: Link, settings: Settings):
    for _ in range(3):
        charge(carol, link)
    assert close_abandoned_transfers(now=NOW + timedelta(seconds=2 * settings.CADASTRE_ENTITLEMENT_SECONDS)) == 3
    assert Refund.objects.count() == 1
    assert get_balance_msat(carol) == 10_000


def test_a_free_transfer_is_never_open(bob: User, link: Link):
    opened = charge(bob, link)
    assert not OpenTransfer.objects.exists()
    assert close_transfer(charge=opened, sent_bytes=0, fault="x", now=NOW) is None


def test_nothing_is_refunded_once_the_length_was_sent_or_the_price_returned(carol: User, link: Link):
    first, second = charge(carol, link), charge(carol, link)
    close_transfer(charge=first, sent_bytes=1_000, fault=None, now=NOW)
    assert close_transfer(charge=second, sent_bytes=0, fault="x", now=NOW) is None
    assert get_balance_msat(carol) == 8_500
    refund_transfer(transfer_id=first.transfer_id, reason="x", now=NOW)
    third, fourth = charge(carol, link), charge(carol, link)
    assert close_transfer(charge=third, sent_bytes=0, fault="x", now=NOW) is None
    assert close_transfer(charge=fourth, sent_bytes=0, fault="x", now=NOW) is not None
    assert close_transfer(charge=fourth, sent_bytes=999, fault="x", now=NOW) is None
    assert get_balance_msat(carol) == 10_000


def test_a_price_that_was_returned_by_hand_is_not_returned_again_when_a_repeat_breaks_off(carol: User, link: Link):
    paid, repeat = charge(carol, link), charge(carol, link)
    close_transfer(charge=paid, sent_bytes=0, fault=None, now=NOW)
    refund_transfer(transfer_id=paid.transfer_id, reason="x", now=NOW)
    assert close_transfer(charge=repeat, sent_bytes=0, fault="x", now=NOW) is None
    assert Refund.objects.count() == 1
    assert get_balance_msat(carol) == 10_000


def test_closing_a_free_transfer_changes_nothing(bob: User, link: Link):
    assert close_transfer(charge=charge(bob, link), sent_bytes=0, fault="x", now=NOW) is None


def test_an_entitlement_is_of_one_payer_and_one_link(carol: User, bob: User, link: Link):
    charge(carol, link)
    assert charge(carol, make_link(owner=bob, price_msat=1)).reason == Reason.PRICE
    with pytest.raises(PaymentRequiredError):
        charge(make_user("alice"), link)


def test_the_owner_pays_nothing(bob: User, link: Link):
    result = charge(bob, link)
    assert (result.amount_msat, result.reason, result.entitlement_id) == (0, Reason.OWNER, None)
    assert Microtransaction.objects.get().amount_msat == 0


def test_a_free_link_needs_no_payer(bob: User):
    result = charge(None, make_link(owner=bob, price_msat=0))
    assert (result.amount_msat, result.reason) == (0, Reason.FREE)
    assert Microtransaction.objects.get().payer_id is None


def test_a_price_without_a_payer_is_refused(link: Link):
    with pytest.raises(PaymentRequiredError, match="1500 msat, and nobody") as caught:
        charge(None, link)
    assert (caught.value.price_msat, caught.value.balance_msat) == (1_500, None)
    assert not Microtransaction.objects.exists()


def test_a_price_above_the_balance_is_refused_and_takes_nothing(carol: User, bob: User):
    with pytest.raises(PaymentRequiredError) as caught:
        charge(carol, make_link(owner=bob, price_msat=10_001))
    assert (caught.value.price_msat, caught.value.balance_msat) == (10_001, 10_000)
    assert get_balance_msat(carol) == 10_000
    assert not Microtransaction.objects.exists()


def test_the_last_millisatoshi_can_be_spent(carol: User, bob: User):
    charge(carol, make_link(owner=bob, price_msat=10_000))
    assert get_balance_msat(carol) == 0


def test_a_reader_without_a_deposit_has_nothing(link: Link):
    with pytest.raises(PaymentRequiredError) as caught:
        charge(make_user("carol"), link)
    assert caught.value.balance_msat == 0


def test_a_price_above_the_agreed_one_is_refused(carol: User, link: Link):
    with pytest.raises(PriceAboveMaxError, match="1500 msat, more than the 1499"):
        charge(carol, link, price_max_msat=1_499)
    assert get_balance_msat(carol) == 10_000


def test_an_agreed_price_does_not_matter_where_nothing_is_charged(carol: User, link: Link):
    charge(carol, link)
    assert charge(carol, link, price_max_msat=0).reason == Reason.ENTITLED


def test_a_frozen_balance_is_refused(carol: User, link: Link):
    Balance.objects.filter(user=carol).update(frozen_at=NOW)
    with pytest.raises(BalanceFrozenError):
        charge(carol, link)
    assert get_balance_msat(carol) == 10_000


def test_a_link_that_does_not_exist_is_refused(carol: User, link: Link):
    link.id = uuid4()
    with pytest.raises(LinkNotFoundError):
        charge(carol, link)


def test_a_blob_that_is_not_registered_yet_is_refused(carol: User, bob: User):
    with pytest.raises(RecordNotReadyError):
        charge(carol, make_link(owner=bob, price_msat=1, is_registered=False))


def test_a_charge_stamps_the_open_window(carol: User, link: Link):
    SettlementWindow.objects.create(number=6, state=SettlementWindow.State.CLOSED, opened_at=NOW)
    SettlementWindow.objects.create(number=7, opened_at=NOW)
    charge(carol, link)
    assert Microtransaction.objects.get().window == 7


def test_a_charge_takes_nothing_if_no_window_is_open(carol: User, link: Link):
    SettlementWindow.objects.create(number=0, state=SettlementWindow.State.CLOSED, opened_at=NOW)
    with pytest.raises(WindowStateError):
        charge(carol, link)
    assert get_balance_msat(carol) == 10_000
    assert not Microtransaction.objects.exists()


def test_a_refund_returns_the_price_and_ends_the_entitlement(carol: User, link: Link):
    paid = charge(carol, link)
    refund = refund_transfer(transfer_id=paid.transfer_id, reason="The blob could not be read.", now=LATER)
    assert get_balance_msat(carol) == 10_000
    assert (refund.amount_msat, refund.window, refund.policy_id) == (1_500, 0, paid.terms.policy_id)
    assert charge(carol, link, now=LATER).reason == Reason.PRICE


def test_a_refunded_transfer_entitles_to_nothing_whatever_the_clock_says(carol: User, link: Link):
    refund_transfer(transfer_id=charge(carol, link).transfer_id, reason="x", now=LATER)
    assert charge(carol, link, now=NOW).reason == Reason.PRICE


def test_a_transfer_is_refunded_once(carol: User, link: Link):
    paid = charge(carol, link)
    refund_transfer(transfer_id=paid.transfer_id, reason="x", now=NOW)
    with pytest.raises(RefundError, match="already"):
        refund_transfer(transfer_id=paid.transfer_id, reason="x", now=NOW)
    assert Refund.objects.count() == 1
    assert get_balance_msat(carol) == 10_000


def test_a_free_transfer_is_not_refunded(bob: User, link: Link):
    with pytest.raises(RefundError, match="free"):
        refund_transfer(transfer_id=charge(bob, link).transfer_id, reason="x", now=NOW)


def test_a_transfer_that_does_not_exist_is_not_refunded():
    with pytest.raises(TransferNotFoundError):
        refund_transfer(transfer_id=uuid4(), reason="x", now=NOW)
