"""Verifying uploads in parts: nothing becomes a blob that was not read, whatever is killed, lost or changed."""

import secrets
from datetime import timedelta

import pytest
from django.core.files.storage import storages
from pytest_django import Settings

from storage.errors import LeaseLostError, StoreUnavailableError
from storage.models import Blob, BlockedDigest, Link, Multipart, Upload
from storage.multipart import get_multipart_store, get_staging_name
from storage.partials import lock_blob
from storage.services.erasure import release_links
from storage.services.links import LinkDraft, complete_upload
from storage.services.multiparts import clear_multiparts
from storage.services.uploads import expire_uploads, get_storage_name
from storage.services.verifications import (
    LEASE_SECONDS,
    RETRY_SECONDS,
    Lease,
    _claim,
    verify_next_multipart,
)
from tests.factories.storage import MANIFEST, digest, make_blob, make_upload
from tests.factories.users import NOW, make_user
from tests.storage.s3_backends import hooked, watched
from tests.storage.sending import CONTENT, ManualClock, begin, close, send, send_all
from tests.swift import Bucket, find_ports, use_bucket
from users.models import User

pytestmark = pytest.mark.django_db
NAME = get_storage_name(digest(CONTENT).sha256)
State, Fault = Multipart.State, Multipart.Fault


@pytest.fixture
def bob(bucket: Bucket) -> User:
    return make_user("bob")


def verify(*, later_seconds: float = 0) -> bool:
    return verify_next_multipart(clock=ManualClock(NOW + timedelta(seconds=later_seconds)))


def make_link_of(upload: Upload, content: bytes = CONTENT) -> Link:
    return complete_upload(
        upload_id=upload.id,
        owner=upload.owner,
        draft=LinkDraft(price_msat=0, manifest=MANIFEST + bytes(upload.id.bytes), seal=bytes(32)),
        expected=digest(content),
        now=NOW,
    )


def read_blob(content: bytes = CONTENT) -> bytes:
    with storages["blobs"].open(get_storage_name(digest(content).sha256)) as stream:
        data: bytes = stream.read()
        return data


def refresh(multipart: Multipart) -> Multipart:
    return Multipart.objects.select_related("upload__owner").get(upload_id=multipart.upload_id)


def check_verified(multipart: Multipart, bucket: Bucket) -> None:
    """Check that an upload is verified, becomes a link, and leaves the blob alone in the store."""
    found = refresh(multipart)
    assert (found.state, found.fault, found.lease_id) == (State.VERIFIED, "", None)
    assert (found.upload.state, found.upload.offset) == (Upload.State.RECEIVED, len(CONTENT))
    link = make_link_of(found.upload)
    clear_multiparts(now=NOW)
    assert bytes(link.blob.root) == digest(CONTENT).root
    assert link.blob.storage_name == NAME
    assert read_blob() == CONTENT
    assert (bucket.list_names(), bucket.list_uploads()) == ([NAME], [])


def test_a_closed_upload_is_read_and_becomes_a_blob(bob: User, bucket: Bucket):
    multipart = send_all(bob)

    assert verify()
    assert not verify()

    assert sorted(bucket.list_names()) == sorted([NAME, get_staging_name(multipart.upload_id)])
    check_verified(multipart, bucket)


def test_an_open_upload_is_not_verified(bob: User):
    multipart = begin(bob)
    send(multipart, [1, 2, 3])

    assert not verify()


def test_bytes_that_are_not_those_of_the_digest_become_no_blob(bob: User, bucket: Bucket):
    multipart = send_all(bob, declared=secrets.token_bytes(len(CONTENT)))

    assert verify()

    found = refresh(multipart)
    assert (found.state, found.fault) == (State.REFUSED, Fault.DIGEST_MISMATCH)
    assert found.upload.state == Upload.State.TERMINATED
    assert clear_multiparts(now=NOW) == 1
    assert (bucket.list_names(), bucket.list_uploads()) == ([], [])
    assert not Blob.objects.exists()


def test_who_declares_the_digest_of_a_blob_without_having_it_gets_nothing_and_breaks_nothing(bob: User, bucket: Bucket):
    make_blob(CONTENT)
    multipart = send_all(make_user("carol"), secrets.token_bytes(len(CONTENT)), declared=CONTENT)

    verify()
    clear_multiparts(now=NOW)

    assert refresh(multipart).fault == Fault.DIGEST_MISMATCH
    assert read_blob() == CONTENT


def test_a_blob_that_is_there_is_not_stored_again(bob: User, bucket: Bucket):
    blob = make_blob(CONTENT)
    before = bucket.get_client().head_object(Bucket=bucket.name, Key=NAME)["ETag"]
    multipart = send_all(bob)

    verify()

    check_verified(multipart, bucket)
    assert Link.objects.get().blob == blob
    assert bucket.get_client().head_object(Bucket=bucket.name, Key=NAME)["ETag"] == before


def test_an_upload_by_tus_of_the_same_bytes_shares_the_blob(bob: User, bucket: Bucket):
    multipart = send_all(bob)
    make_link_of(make_upload(make_user("carol"), CONTENT, received=len(CONTENT)))

    verify()

    check_verified(multipart, bucket)
    assert Blob.objects.count() == 1


@pytest.mark.parametrize("what", ["upload", "part"])
def test_parts_that_were_lost_after_the_closing_are_found(bob: User, bucket: Bucket, what: str):
    multipart = send_all(bob)
    name = get_staging_name(multipart.upload_id)
    client = bucket.get_client()
    if what == "upload":
        client.abort_multipart_upload(Bucket=bucket.name, Key=name, UploadId=multipart.store_id)
    else:
        client.upload_part(Bucket=bucket.name, Key=name, UploadId=multipart.store_id, PartNumber=3, Body=b"short")

    assert verify()

    assert refresh(multipart).fault == Fault.UPLOAD_LOST
    assert clear_multiparts(now=NOW) == 1
    assert (bucket.list_names(), bucket.list_uploads()) == ([], [])


def test_an_object_of_another_length_is_no_upload(bob: User, bucket: Bucket):
    multipart = send_all(bob)
    bucket.get_client().put_object(Bucket=bucket.name, Key=get_staging_name(multipart.upload_id), Body=b"short")

    verify()

    assert refresh(multipart).fault == Fault.UPLOAD_LOST


def test_an_object_that_changes_after_it_was_read_becomes_no_blob(bob: User, bucket: Bucket, settings: Settings):
    multipart = send_all(bob)
    name = get_staging_name(multipart.upload_id)

    def replace() -> None:
        bucket.get_client().put_object(Bucket=bucket.name, Key=name, Body=bytes(len(CONTENT)))

    with watched(settings, bucket, "before copy_version", replace):
        assert verify()

    assert refresh(multipart).state == State.CLOSED
    assert bucket.list_names() == [name]
    verify(later_seconds=RETRY_SECONDS)
    assert refresh(multipart).fault == Fault.DIGEST_MISMATCH


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


def test_a_store_that_is_down_makes_the_upload_wait(bob: User, bucket: Bucket, settings: Settings):
    multipart = send_all(bob)
    use_bucket(settings, bucket, endpoint_url=f"http://127.0.0.1:{find_ports(1)[0]}", attempts_max=1)

    assert verify()

    assert refresh(multipart).state == State.CLOSED
    assert not verify(later_seconds=RETRY_SECONDS - 1)
    assert clear_multiparts(now=NOW) == 0
    use_bucket(settings, bucket)
    assert verify(later_seconds=RETRY_SECONDS)
    check_verified(multipart, bucket)


@pytest.mark.parametrize("point", ["before finish", "after open_version", "after copy_version"])
def test_a_store_that_goes_down_meanwhile_makes_the_upload_wait(
    bob: User, bucket: Bucket, settings: Settings, point: str
):
    multipart = send_all(bob)

    def fail() -> None:
        raise StoreUnavailableError

    with watched(settings, bucket, point, fail):
        assert verify()

    assert verify(later_seconds=RETRY_SECONDS)
    check_verified(multipart, bucket)


def test_a_worker_that_lost_its_upload_leaves_it_to_the_other(bob: User, bucket: Bucket, settings: Settings):
    multipart = send_all(bob)

    def fail_late() -> None:
        verify(later_seconds=LEASE_SECONDS)
        raise StoreUnavailableError

    with watched(settings, bucket, "after copy_version", fail_late):
        assert verify()

    check_verified(multipart, bucket)


def test_no_sweep_removes_what_is_copied_before_the_upload_counts(bob: User, bucket: Bucket, settings: Settings):
    make_upload(make_user("carol"), CONTENT, received=len(CONTENT))
    multipart = send_all(bob)
    swept: list[int] = []

    def sweep() -> None:
        swept.append(expire_uploads(now=NOW + timedelta(days=8)))

    with watched(settings, bucket, "after copy_version", sweep):
        verify()

    assert swept == [0]
    check_verified(multipart, bucket)


def test_a_sweep_that_removes_an_equal_upload_makes_the_worker_wait(bob: User, bucket: Bucket):
    multipart = send_all(bob)

    with lock_blob(digest(CONTENT).sha256, is_exclusive=False):
        assert verify()

    check_verified(multipart, bucket)


def test_the_store_of_parts_is_the_storage_of_blobs(bucket: Bucket):
    assert get_multipart_store().part_bytes_min == bucket.get_options()["part_bytes_min"]


@pytest.mark.parametrize("is_blocked", [False, True])
def test_bytes_that_a_verified_upload_waits_for_are_not_erased_unless_they_are_blocked(
    bob: User, bucket: Bucket, is_blocked: bool
):
    link = make_link_of(make_upload(make_user("carol"), CONTENT, received=len(CONTENT)))
    multipart = send_all(bob)
    verify()
    clear_multiparts(now=NOW)
    if is_blocked:
        BlockedDigest.objects.create(sha256=digest(CONTENT).sha256, blocked_by=bob, reason="test", blocked_at=NOW)
    Link.objects.filter(id=link.id).update(release_at=NOW)

    assert release_links(now=NOW) == int(is_blocked)

    if is_blocked:
        assert bucket.list_names() == []
    else:
        check_verified(multipart, bucket)
        assert release_links(now=NOW) == 0
