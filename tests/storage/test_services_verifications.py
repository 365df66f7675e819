"""Verifying uploads in parts: nothing becomes a blob that was not read, whatever is killed, lost or changed."""

import secrets
from datetime import timedelta

import pytest
from pytest_django import Settings

from storage.errors import StoreUnavailableError
from storage.models import Blob, BlockedDigest, Link, Multipart, Upload
from storage.multipart import get_multipart_store, get_staging_name
from storage.partials import get_partial_path, lock_blob
from storage.services.erasure import release_links
from storage.services.multiparts import clear_multiparts
from storage.services.uploads import expire_uploads
from storage.services.verifications import (
    RETRY_SECONDS,
)
from tests.factories.storage import digest, make_blob, make_upload
from tests.factories.users import NOW, make_user
from tests.storage.s3_backends import watched
from tests.storage.sending import CONTENT, begin, send, send_all
from tests.storage.verifying import NAME, State, check_verified, make_link_of, read_blob, refresh, verify
from tests.swift import Bucket, find_ports, use_bucket
from users.models import User

pytestmark = pytest.mark.django_db
Fault = Multipart.Fault


@pytest.fixture
def bob(bucket: Bucket) -> User:
    return make_user("bob")


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


def test_an_upload_by_tus_waits_for_a_store_that_is_down_and_is_moved_there_then(
    bob: User, bucket: Bucket, settings: Settings
):
    upload = make_upload(bob, CONTENT, received=len(CONTENT))
    use_bucket(settings, bucket, endpoint_url=f"http://127.0.0.1:{find_ports(1)[0]}", attempts_max=1)

    with pytest.raises(StoreUnavailableError):
        make_link_of(upload)
    assert not Blob.objects.exists()

    use_bucket(settings, bucket)
    make_link_of(upload)
    assert read_blob() == CONTENT
    assert not get_partial_path(upload.id).exists()


def test_a_blob_whose_last_link_ends_is_erased_from_the_store(bob: User, bucket: Bucket):
    link = make_link_of(make_upload(bob, CONTENT, received=len(CONTENT)))
    assert bucket.list_names() == [NAME]
    Link.objects.filter(id=link.id).update(release_at=NOW)

    assert release_links(now=NOW) == 1

    assert bucket.list_names() == []
