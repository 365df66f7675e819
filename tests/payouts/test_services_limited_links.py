"""Links that end: what is counted against a maximum, who goes on, and what is refunded."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from payouts.errors import PaymentRequiredError, PriceAboveMaxError
from payouts.models import Entitlement, Microtransaction, OpenTransfer, Refund
from payouts.services.charges import Charge, charge_transfer, close_transfer, refund_transfer
from payouts.services.ended_links import BLOCKED, ENDED, refund_ended_links
from payouts.tasks import refund_ended_links_task
from storage.errors import LinkDeletedError, LinkDisabledError, LinkExpiredError, LinkUsedUpError, StorageError
from storage.models import Link
from storage.services.blocks import block_digest
from storage.services.link_changes import delete_link, disable_link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat, make_link, make_user
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db
Reason = Microtransaction.Reason
LATER = NOW + timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    """A reader with 10,000 msat."""
    user = make_user("carol")
    fund_reader(user, 10)
    return user


def limit(owner: User, *, price_msat: int = 0, **columns: Any) -> Link:
    """Return a registered link of 1,000 bytes with limits."""
    link = make_link(owner=owner, price_msat=price_msat)
    Link.objects.filter(id=link.id).update(**({"transfers_max": 2} | columns))
    link.refresh_from_db()
    return link


def charge(
    payer: User | None,
    link: Link,
    *,
    given_pass: bytes | None = None,
    requested_bytes: int | None = None,
    price_max_msat: int | None = None,
    now: datetime = NOW,
) -> Charge:
    return charge_transfer(
        payer=payer,
        link_id=link.id,
        territory=None,
        price_max_msat=price_max_msat,
        requested_bytes=requested_bytes,
        given_pass=given_pass,
        now=now,
    )


def count_used(link: Link) -> int:
    link.refresh_from_db()
    return link.transfers_used


# --- Counting ---


def test_each_anonymous_reader_counts_once_and_goes_on_with_a_pass(bob: User):
    link = limit(bob)

    first = charge(None, link, requested_bytes=100)
    again = charge(None, link, given_pass=first.new_pass, requested_bytes=100)
    second = charge(None, link)

    assert [item.reason for item in (first, again, second)] == [Reason.FREE, Reason.ENTITLED, Reason.FREE]
    assert len(first.new_pass or b"") == 32
    assert (again.new_pass, second.new_pass != first.new_pass) == (None, True)
    assert again.entitlement_id == first.entitlement_id
    assert count_used(link) == 2
    with pytest.raises(LinkUsedUpError):
        charge(None, link)
    assert charge(None, link, given_pass=second.new_pass, now=LATER).reason == Reason.ENTITLED
    assert not Entitlement.objects.filter(pass_sha256=first.new_pass).exists(), "its hash is stored, not itself"


def test_a_pass_ends_with_its_time_its_bytes_and_its_link(bob: User):
    link, other = limit(bob, transfers_max=9), limit(bob, transfers_max=9)
    given = charge(None, link).new_pass

    assert charge(None, link, given_pass=given).reason == Reason.ENTITLED
    assert charge(None, other, given_pass=given).reason == Reason.FREE
    assert charge(None, link, given_pass=given, requested_bytes=1_001).reason == Reason.FREE
    assert charge(None, link, given_pass=given, now=NOW + DAY).reason == Reason.FREE
    assert charge(None, link, given_pass=bytes(32)).reason == Reason.FREE
    assert (count_used(link), count_used(other)) == (4, 1)


def test_what_was_not_sent_of_a_pass_is_given_back_and_nothing_is_refunded(bob: User):
    begun = charge(None, limit(bob))

    assert close_transfer(charge=begun, sent_bytes=10, fault="The disk is gone.", now=LATER) is None

    assert Entitlement.objects.get().bytes_served == 10
    assert not OpenTransfer.objects.exists()
    assert not Refund.objects.exists()


def test_a_signed_in_readers_repeats_of_a_free_link_are_counted_once_without_a_pass(bob: User, carol: User):
    link = limit(bob)

    first, again = charge(carol, link), charge(carol, link)

    assert (first.reason, again.reason, first.new_pass) == (Reason.FREE, Reason.ENTITLED, None)
    assert (count_used(link), get_balance_msat(carol)) == (1, 10_000)
    assert close_transfer(charge=again, sent_bytes=0, fault="The disk is gone.", now=LATER) is None


def test_a_payers_repeats_are_counted_once(bob: User, carol: User):
    link = limit(bob, price_msat=1_500, transfers_max=1)

    assert [charge(carol, link).reason for _ in range(3)] == [Reason.PRICE, Reason.ENTITLED, Reason.ENTITLED]
    with pytest.raises(LinkUsedUpError):
        charge(carol, link)
    assert (count_used(link), get_balance_msat(carol)) == (1, 8_500)


def test_the_owners_transfers_are_not_counted(bob: User):
    link = limit(bob)

    assert charge(bob, link).reason == Reason.OWNER
    assert count_used(link) == 0


def test_a_charge_that_fails_counts_nothing(bob: User, carol: User):
    link = limit(bob, price_msat=10_001)

    with pytest.raises(PaymentRequiredError):
        charge(carol, link)
    with pytest.raises(PaymentRequiredError):
        charge(None, link)
    with pytest.raises(PriceAboveMaxError):
        charge(carol, link, price_max_msat=1)

    assert (count_used(link), get_balance_msat(carol)) == (0, 10_000)


def test_a_link_without_a_maximum_counts_nothing_and_gives_no_pass(bob: User, carol: User):
    link = make_link(owner=bob, price_msat=0)

    begun = [charge(None, link), charge(carol, link), charge(None, link, given_pass=bytes(32))]

    assert {(item.reason, item.new_pass, item.entitlement_id) for item in begun} == {(Reason.FREE, None, None)}
    assert count_used(link) == 0


@pytest.mark.django_db(transaction=True)
def test_readers_at_once_do_not_exceed_the_maximum(bob: User):
    link = limit(bob, transfers_max=3)

    errors = run_together([partial(charge, None, link)] * 5)

    assert [type(error) for error in errors] == [LinkUsedUpError] * 2
    assert (count_used(link), Microtransaction.objects.count(), Entitlement.objects.count()) == (3, 3, 3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("price_msat", [0, 1_500])
def test_a_double_click_at_once_counts_once(bob: User, carol: User, price_msat: int):
    link = limit(bob, price_msat=price_msat, transfers_max=1)

    errors = run_together([partial(charge, carol, link)] * 3)

    assert errors == []
    assert (count_used(link), get_balance_msat(carol)) == (1, 10_000 - price_msat)


def test_the_database_refuses_an_entitlement_of_nobody(bob: User):
    charge(None, limit(bob))

    with pytest.raises(IntegrityError), transaction.atomic():
        Entitlement.objects.update(pass_sha256=None)


# --- Ends ---


@pytest.mark.parametrize(
    ("ended", "error"),
    [
        ({"expires_at": NOW}, LinkExpiredError),
        ({"transfers_used": 2}, LinkUsedUpError),
        ({"deleted_at": NOW}, LinkDeletedError),
        ({"disabled_at": NOW}, LinkDisabledError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_an_ended_link_refuses_before_anything_is_taken(
    bob: User, carol: User, ended: dict[str, Any], error: type[StorageError]
):
    link = limit(bob, price_msat=1_500, **ended)

    for payer in (carol, None, bob):
        with pytest.raises(error):
            charge(payer, link)

    assert not Microtransaction.objects.exists()
    assert get_balance_msat(carol) == 10_000


def test_whoever_paid_before_an_expiry_goes_on_after_it(bob: User, carol: User):
    link = limit(bob, price_msat=1_500, expires_at=LATER)
    charge(carol, link)

    assert charge(carol, link, now=LATER).reason == Reason.ENTITLED
    with pytest.raises(LinkExpiredError):
        charge(make_user("dave"), link, now=LATER)


# --- Refunds ---


def end(link: Link, how: str, *, now: datetime) -> None:
    if how == "deleted":
        delete_link(link_id=link.id, owner_id=link.owner_id, now=now)
    elif how == "disabled":
        with transaction.atomic():
            disable_link(link_id=link.id, now=now)
    else:
        block_digest(sha256=bytes(link.blob.sha256), actor=link.owner, reason="An order.", now=now)


@pytest.mark.parametrize(("how", "reason"), [("deleted", ENDED), ("disabled", ENDED), ("blocked", BLOCKED)])
def test_who_paid_and_was_not_sent_the_whole_is_refunded_once(bob: User, carol: User, how: str, reason: str):
    link = make_link(owner=bob, price_msat=1_500)
    begun = charge(carol, link)
    close_transfer(charge=begun, sent_bytes=999, fault=None, now=NOW)
    end(link, how, now=LATER)

    assert [refund_ended_links(now=LATER) for _ in range(2)] == [1, 0]

    refund = Refund.objects.get()
    assert (refund.microtransaction_id, refund.amount_msat, refund.reason) == (begun.transfer_id, 1_500, reason)
    assert get_balance_msat(carol) == 10_000


@pytest.mark.parametrize("how", ["deleted", "blocked"])
def test_who_was_sent_the_whole_paid_nothing_or_was_late_is_not_refunded(bob: User, carol: User, how: str):
    served, free, ended, expired = [make_link(owner=bob, price_msat=price) for price in (1_500, 0, 1_500, 1_500)]
    Link.objects.filter(id=free.id).update(transfers_max=1)
    charge(carol, served)
    close_transfer(charge=charge(carol, free), sent_bytes=0, fault=None, now=NOW)
    for link in (ended, expired):
        close_transfer(charge=charge(carol, link), sent_bytes=0, fault=None, now=NOW)
    Link.objects.filter(id=expired.id).update(expires_at=LATER, release_at=LATER + DAY)
    for link in (served, free):
        end(link, how, now=LATER)
    end(ended, how, now=NOW + DAY)

    assert refund_ended_links(now=NOW + DAY) == 0
    assert get_balance_msat(carol) == 10_000 - 3 * 1_500


def test_a_transfer_that_breaks_off_as_its_link_is_deleted_is_refunded_once(bob: User, carol: User):
    link = make_link(owner=bob, price_msat=1_500)
    begun = charge(carol, link)
    end(link, "deleted", now=LATER)

    assert refund_ended_links(now=LATER) == 0, "its bytes are under way and count as sent"
    assert close_transfer(charge=begun, sent_bytes=10, fault="The file was cut.", now=LATER) is not None
    assert refund_ended_links(now=LATER) == 0
    assert (Refund.objects.count(), get_balance_msat(carol)) == (1, 10_000)


def test_another_worker_that_is_faster_takes_nothing_twice(bob: User, carol: User, monkeypatch: pytest.MonkeyPatch):
    link = make_link(owner=bob, price_msat=1_500)
    begun = charge(carol, link)
    close_transfer(charge=begun, sent_bytes=0, fault=None, now=NOW)
    end(link, "deleted", now=LATER)
    refund_transfer(transfer_id=begun.transfer_id, reason="By hand.", now=LATER)
    # As the sweep read it before that refund ended the entitlement.
    Entitlement.objects.update(bytes_allowed=3_000)

    assert refund_ended_links(now=LATER) == 0
    assert (Refund.objects.get().reason, get_balance_msat(carol)) == ("By hand.", 10_000)


def test_a_sweep_asks_the_same_whatever_links_and_entitlements_there_are(
    bob: User, carol: User, django_assert_num_queries: DjangoAssertNumQueries
):
    with CaptureQueriesContext(connection) as few:
        refund_ended_links(now=LATER)
    for _ in range(3):
        charge(carol, make_link(owner=bob, price_msat=1_500))
        end(make_link(owner=bob, price_msat=1_500), "deleted", now=NOW)

    with django_assert_num_queries(len(few)):
        refund_ended_links(now=LATER)


def test_the_task_may_run_twice(bob: User, carol: User):
    link = make_link(owner=bob, price_msat=1_500)
    begun = charge(carol, link, now=datetime.now(NOW.tzinfo))
    close_transfer(charge=begun, sent_bytes=0, fault=None, now=NOW)
    end(link, "deleted", now=datetime.now(NOW.tzinfo))

    for _ in range(2):
        refund_ended_links_task()

    assert get_balance_msat(carol) == 10_000
