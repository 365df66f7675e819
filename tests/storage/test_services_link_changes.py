"""What changes a link after it was made, and how transfers use it up."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from database.transactions import TransactionRequiredError
from storage.errors import (
    BlobErasedError,
    DeletionTokenRefusedError,
    ExpiryOutOfRangeError,
    LinkDeletedError,
    LinkDisabledError,
    LinkNotFoundError,
    LinkUsedUpError,
    NotLinkOwnerError,
    PriceOutOfRangeError,
    StorageError,
    TransfersMaxOutOfRangeError,
)
from storage.models import Link
from storage.selectors import describe_state
from storage.services.link_changes import (
    LinkLimits,
    change_link,
    count_transfer,
    delete_link,
    delete_link_by_token,
    disable_link,
    lock_limited_link,
)
from tests.factories.storage import make_link
from tests.factories.users import NOW, make_user
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
TOKEN = bytes(range(32))


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def link(bob: User) -> Link:
    return make_link(bob, price_msat=5)


def change(link: Link, **changes: Any) -> Link:
    given: dict[str, Any] = {"price_msat": 5, "expires_at": None, "transfers_max": None}
    now = changes.pop("now", NOW)
    owner_id = changes.pop("owner_id", link.owner_id)
    return change_link(link_id=link.id, owner_id=owner_id, limits=LinkLimits(**(given | changes)), now=now)


def count(link: Link, *, now: Any = NOW) -> None:
    with transaction.atomic():
        count_transfer(link_id=link.id, now=now)


def test_limits_decide_until_when_the_bytes_are_kept(link: Link):
    assert change(link, expires_at=NOW + DAY).release_at == NOW + 2 * DAY
    assert change(link).release_at is None
    count(link)
    assert change(link, transfers_max=1, now=NOW + DAY).release_at == NOW + 2 * DAY
    assert change(link, transfers_max=1, expires_at=NOW + DAY, now=NOW + DAY / 2).release_at == NOW + DAY * 1.5


def test_an_expiry_that_has_passed_may_stay_while_the_price_changes(link: Link):
    change(link, expires_at=NOW + DAY)

    changed = change(link, expires_at=NOW + DAY, price_msat=6, now=NOW + DAY)

    assert (changed.price_msat, changed.expires_at, changed.release_at) == (6, NOW + DAY, NOW + 2 * DAY)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"price_msat": -1}, PriceOutOfRangeError),
        ({"expires_at": NOW}, ExpiryOutOfRangeError),
        ({"transfers_max": 0}, TransfersMaxOutOfRangeError),
        ({"owner_id": uuid.uuid4()}, NotLinkOwnerError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_refuses_and_changes_nothing(link: Link, changes: dict[str, Any], error: type[StorageError]):
    with pytest.raises(error):
        change(link, **changes)

    link.refresh_from_db()
    assert (link.price_msat, link.expires_at, link.transfers_max, link.release_at) == (5, None, None, None)


@pytest.mark.parametrize(
    ("ended", "error"),
    [
        ({"deleted_at": NOW}, LinkDeletedError),
        ({"disabled_at": NOW}, LinkDisabledError),
        ({"released_at": NOW}, BlobErasedError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_link_that_has_ended_for_ever_is_not_changed(link: Link, ended: dict[str, Any], error: type[StorageError]):
    Link.objects.update(**ended)

    with pytest.raises(error):
        change(link)


# --- Counting ---


def test_transfers_are_counted_to_the_maximum_and_no_further(link: Link):
    change(link, transfers_max=2)

    count(link)
    link.refresh_from_db()
    assert (link.transfers_left, link.release_at) == (1, None)
    count(link, now=NOW + DAY)
    with pytest.raises(LinkUsedUpError):
        count(link, now=NOW + 2 * DAY)

    link.refresh_from_db()
    assert (link.transfers_used, link.transfers_left, link.release_at) == (2, 0, NOW + 2 * DAY)


def test_the_last_transfer_does_not_keep_the_bytes_longer_than_the_expiry_does(link: Link):
    change(link, transfers_max=1, expires_at=NOW + DAY)

    count(link, now=NOW + DAY + timedelta(seconds=1))

    link.refresh_from_db()
    assert link.release_at == NOW + 2 * DAY


def test_a_maximum_that_was_lifted_meanwhile_refuses_nobody(link: Link):
    count(link)

    link.refresh_from_db()
    assert (link.transfers_used, link.transfers_left) == (1, None)


@pytest.mark.django_db(transaction=True)
def test_transfers_at_once_do_not_exceed_the_maximum(link: Link):
    change(link, transfers_max=3)

    errors = run_together([lambda: count(link)] * 5)

    link.refresh_from_db()
    assert [type(error) for error in errors] == [LinkUsedUpError] * 2
    assert link.transfers_used == 3


@pytest.mark.django_db(transaction=True)
def test_counting_and_locking_and_disabling_are_steps(link: Link):
    for step in (
        lambda: count_transfer(link_id=link.id, now=NOW),
        lambda: lock_limited_link(link_id=link.id),
        lambda: disable_link(link_id=link.id, now=NOW),
    ):
        with pytest.raises(TransactionRequiredError):
            step()


# --- Ends ---


def test_deleting_again_keeps_the_first_time(bob: User, link: Link):
    for moment in (NOW, NOW + DAY):
        delete_link(link_id=link.id, owner_id=bob.id, now=moment)

    link.refresh_from_db()
    assert (link.deleted_at, link.release_at, bytes(link.manifest)) == (NOW, NOW, b"")


def test_deleting_brings_the_end_of_an_expired_link_forward_and_never_back(bob: User, link: Link):
    Link.objects.update(expires_at=NOW, release_at=NOW + DAY)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW + DAY / 2)
    link.refresh_from_db()
    assert link.release_at == NOW + DAY / 2

    Link.objects.update(deleted_at=None, release_at=NOW)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW + DAY)
    link.refresh_from_db()
    assert link.release_at == NOW


def test_carol_deletes_neither_as_owner_nor_with_a_token_of_her_own(link: Link):
    Link.objects.update(deletion_token_sha256=hashlib.sha256(TOKEN).digest())

    with pytest.raises(NotLinkOwnerError):
        delete_link(link_id=link.id, owner_id=make_user("carol").id, now=NOW)
    with pytest.raises(DeletionTokenRefusedError):
        delete_link_by_token(link_id=link.id, token=bytes(32), now=NOW)
    with pytest.raises(LinkNotFoundError):
        delete_link_by_token(link_id=link.blob_id, token=TOKEN, now=NOW)

    link.refresh_from_db()
    assert link.deleted_at is None


def test_disabling_again_keeps_the_first_time(link: Link):
    for moment in (NOW, NOW + DAY):
        with transaction.atomic():
            disable_link(link_id=link.id, now=moment)

    link.refresh_from_db()
    assert (link.disabled_at, link.release_at) == (NOW, NOW)


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({}, "open"),
        ({"expires_at": NOW + DAY, "transfers_max": 2, "transfers_used": 1}, "open"),
        ({"expires_at": NOW}, "expired"),
        ({"transfers_max": 1, "transfers_used": 3}, "used-up"),
        ({"released_at": NOW}, "used-up"),
        ({"disabled_at": NOW, "expires_at": NOW}, "disabled"),
        ({"deleted_at": NOW, "disabled_at": NOW}, "deleted"),
    ],
)
def test_a_links_state_is_one_word(link: Link, columns: dict[str, Any], state: str):
    Link.objects.update(**columns)
    link.refresh_from_db()

    assert describe_state(link, now=NOW) == state
