"""Workers that are killed, slow or many: what one has begun, another ends, and nothing is lost or doubled."""

from datetime import timedelta

import pytest
from django.core.files.storage import storages
from pytest_django import Settings

from storage.errors import LeaseLostError, StoreUnavailableError
from storage.models import Link, Multipart
from storage.services.multiparts import clear_multiparts
from storage.services.verifications import LEASE_SECONDS, Lease, _claim, verify_next_multipart
from tests.factories.users import NOW, make_user
from tests.storage.s3_backends import hooked, watched
from tests.storage.sending import CONTENT, ManualClock, begin, close, send, send_all
from tests.storage.verifying import NAME, State, check_verified, refresh, verify
from tests.swift import Bucket
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(bucket: Bucket) -> User:
    return make_user("bob")


def list_points(bob: User, bucket: Bucket, settings: Settings) -> list[str]:
    """Return the points of one verification, in order."""
    points: list[str] = []
    multipart = send_all(bob)
    with hooked(settings, bucket, points.append):
        verify()
        clear_multiparts(now=NOW)
    check_verified(multipart, bucket)
    return points


def test_a_worker_that_is_killed_at_any_point_loses_and_doubles_nothing(bob: User, bucket: Bucket, settings: Settings):
    points = list_points(bob, bucket, settings)
    assert points[0] == "before find_object"
    assert {"after finish", "after open_version", "before copy_version", "after copy_version", "after remove"} <= set(
        points
    )
    Link.objects.all().delete()

    for number in range(len(points)):
        multipart = send_all(make_user(f"bob{number}"))
        kill_at(number, bucket, settings)
        assert not verify(later_seconds=LEASE_SECONDS - 1)
        verify(later_seconds=LEASE_SECONDS)
        check_verified(multipart, bucket)
        # The next one begins without the blob's bytes.
        storages["blobs"].delete(NAME)


def kill_at(number: int, bucket: Bucket, settings: Settings) -> None:
    """Run the worker, and end it at the point of this number."""
    reached: list[str] = []

    def die(point: str) -> None:
        reached.append(point)
        if len(reached) > number:
            raise KeyboardInterrupt

    def work() -> None:
        verify()
        clear_multiparts(now=NOW)

    with hooked(settings, bucket, die), pytest.raises(KeyboardInterrupt):
        work()


class DyingClock(ManualClock):
    """A clock at whose nth reading the process ends."""

    def __init__(self, readings: int) -> None:
        super().__init__()
        self._left = readings

    def __call__(self) -> object:  # type: ignore[override]  # it may not return
        """Return the time, or end."""
        self._left -= 1
        if not self._left:
            raise KeyboardInterrupt
        return super().__call__()


def test_a_worker_that_is_killed_while_it_reads_leaves_the_upload_to_the_next(bob: User, bucket: Bucket):
    multipart = send_all(bob)

    for readings in range(2, 6):
        with pytest.raises(KeyboardInterrupt):
            verify_next_multipart(clock=DyingClock(readings))  # type: ignore[arg-type]  # as above
        Multipart.objects.update(lease_until=NOW)

    assert verify()
    check_verified(multipart, bucket)


def test_a_worker_has_an_upload_to_itself(bob: User, bucket: Bucket, settings: Settings):
    multipart = send_all(bob)
    asked: list[bool] = []

    with watched(settings, bucket, "before finish", lambda: asked.append(verify(later_seconds=LEASE_SECONDS - 1))):
        verify()

    assert asked == [False]
    check_verified(multipart, bucket)


def test_a_worker_that_said_nothing_for_too_long_leaves_the_upload_to_another(
    bob: User, bucket: Bucket, settings: Settings
):
    multipart = send_all(bob)
    asked: list[bool] = []

    with watched(settings, bucket, "after copy_version", lambda: asked.append(verify(later_seconds=LEASE_SECONDS))):
        assert verify()

    assert asked == [True]
    check_verified(multipart, bucket)


def test_a_worker_that_goes_on_keeps_the_upload(bob: User):
    multipart, clock = send_all(bob), ManualClock()
    lease = _claim(clock)
    assert lease is not None

    for _ in range(3):
        clock.move(LEASE_SECONDS - 1)
        lease.beat()
        assert _claim(clock) is None

    clock.move(1)
    lease.beat()
    assert refresh(multipart).lease_until == clock.now - timedelta(seconds=1) + timedelta(seconds=LEASE_SECONDS)
    clock.move(LEASE_SECONDS)
    other = _claim(clock)
    assert isinstance(other, Lease)
    with pytest.raises(LeaseLostError):
        lease.beat()


def test_only_so_many_uploads_are_verified_at_a_time(bob: User, settings: Settings):
    settings.CADASTRE_VERIFICATIONS_AT_ONCE = 1
    send_all(bob, CONTENT)
    send_all(bob, CONTENT + b"x")
    clock = ManualClock()

    assert _claim(clock) is not None
    assert _claim(clock) is None
    clock.move(LEASE_SECONDS)
    assert _claim(clock) is not None


def test_the_upload_that_was_closed_first_is_verified_first(bob: User):
    second, first = begin(bob), begin(bob, CONTENT + b"x")
    send(first, [1, 2, 3], CONTENT + b"x")
    send(second, [1, 2, 3])
    close(first, CONTENT + b"x", now=NOW)
    close(second, now=NOW + timedelta(seconds=1))

    verify(later_seconds=1)

    assert (refresh(first).state, refresh(second).state) == (State.VERIFIED, State.CLOSED)


def test_a_worker_that_lost_its_upload_leaves_it_to_the_other(bob: User, bucket: Bucket, settings: Settings):
    multipart = send_all(bob)

    def fail_late() -> None:
        verify(later_seconds=LEASE_SECONDS)
        raise StoreUnavailableError

    with watched(settings, bucket, "after copy_version", fail_late):
        assert verify()

    check_verified(multipart, bucket)
