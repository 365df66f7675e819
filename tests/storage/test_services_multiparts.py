"""Uploads in parts, up to their closing: the server signs, lists and compares, the bytes go to the store."""

import hashlib
import uuid
from datetime import timedelta

import pytest
from pytest_django import Settings

from storage.digest import Digest
from storage.errors import (
    DigestMismatchError,
    EmptyBlobError,
    MultipartClosedError,
    MultipartNotOfferedError,
    PartNumberError,
    PartsWrongError,
    StoreUnavailableError,
    TooManyUploadsError,
    UploadBusyError,
    UploadCompletedError,
    UploadDoorError,
    UploadExpiredError,
    UploadGoneError,
    UploadLostError,
    UploadNotFoundError,
    UploadTooLargeError,
    UploadUnfinishedError,
)
from storage.models import Blob, Multipart, Upload
from storage.multipart import get_multipart_store, get_staging_name
from storage.selectors import get_multipart
from storage.services.links import LinkDraft, complete_upload
from storage.services.multiparts import (
    _expire,
    clear_multiparts,
    close_multipart,
    create_multipart,
    expire_multiparts,
    list_parts,
    sign_parts,
    terminate_multipart,
)
from storage.services.uploads import expire_uploads, get_storage_name, terminate_upload
from storage.services.verifications import verify_next_multipart
from tests.factories.storage import MANIFEST, digest
from tests.factories.users import NOW, make_user
from tests.storage.s3_backends import watched
from tests.storage.sending import CONTENT, ManualClock, begin, close, put_part, send, send_all
from tests.swift import Bucket, find_ports, use_bucket
from users.models import User

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=8)


@pytest.fixture
def bob(bucket: Bucket) -> User:
    return make_user("bob")


def test_an_upload_is_cut_into_parts_and_counts_as_unfinished(bob: User, bucket: Bucket, settings: Settings):
    settings.CADASTRE_UPLOADS_UNFINISHED_MAX = 1

    multipart = begin(bob)

    assert multipart.upload.state == Upload.State.IN_PARTS
    assert multipart.upload.expires_at == NOW + timedelta(days=7)
    assert bucket.list_uploads() == [get_staging_name(multipart.upload_id)]
    with pytest.raises(TooManyUploadsError):
        begin(bob)


@pytest.mark.parametrize(("length", "error"), [(0, EmptyBlobError), (2**60, UploadTooLargeError)])
def test_a_length_that_no_upload_may_have_is_refused(bob: User, bucket: Bucket, length: int, error: type[Exception]):
    with pytest.raises(error):
        create_multipart(owner=bob, length=length, now=NOW)

    assert bucket.list_uploads() == []


def test_a_server_that_keeps_blobs_in_a_directory_offers_no_parts():
    bob = make_user("bob")

    with pytest.raises(MultipartNotOfferedError):
        begin(bob)
    assert not Upload.objects.exists()
    assert clear_multiparts(now=NOW) == 0
    assert not verify_next_multipart(clock=ManualClock())


def test_a_store_that_is_down_leaves_no_upload_that_counts(bob: User, bucket: Bucket, settings: Settings):
    use_bucket(settings, bucket, endpoint_url=f"http://127.0.0.1:{find_ports(1)[0]}", attempts_max=1)

    with pytest.raises(StoreUnavailableError):
        begin(bob)

    assert Upload.objects.get().state == Upload.State.TERMINATED
    assert Multipart.objects.get().state == Multipart.State.ABANDONED
    assert clear_multiparts(now=NOW) == 0

    use_bucket(settings, bucket)
    assert clear_multiparts(now=NOW) == 1


def test_an_upload_that_expires_while_it_begins_is_gone(bob: User, settings: Settings, bucket: Bucket):
    with watched(settings, bucket, "after begin", lambda: expire_multiparts(now=LATER)), pytest.raises(UploadGoneError):
        begin(bob)

    assert clear_multiparts(now=NOW) == 1
    assert bucket.list_uploads() == []


def test_signing_begins_the_uploads_time_anew(bob: User):
    multipart = begin(bob)

    send(multipart, [1], now=NOW + timedelta(days=6))

    multipart.upload.refresh_from_db()
    assert multipart.upload.expires_at == NOW + timedelta(days=13)


def test_a_part_that_the_upload_does_not_have_is_not_signed(bob: User):
    multipart = begin(bob)

    with pytest.raises(PartNumberError):
        sign_parts(upload_id=multipart.upload_id, owner_id=bob.id, parts=[(1, bytes(32)), (4, bytes(32))], now=NOW)


def test_the_parts_that_are_there_are_listed_for_who_resumes(bob: User):
    multipart = begin(bob)
    send(multipart, [3, 1])

    parts = list_parts(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)

    assert [part.number for part in parts] == [1, 3]


def test_a_part_may_be_sent_again(bob: User):
    multipart = begin(bob)
    send(multipart, [1, 2, 3])
    send(multipart, [2], bytes(len(CONTENT)))
    send(multipart, [2])

    close(multipart)
    verify_next_multipart(clock=ManualClock())

    assert get_multipart(upload_id=multipart.upload_id, owner_id=bob.id).state == Multipart.State.VERIFIED


@pytest.mark.parametrize(("sent", "wrong"), [([], [1, 2, 3]), ([1, 3], [2]), ([1, 2], [3])])
def test_an_upload_with_missing_parts_is_not_closed(bob: User, sent: list[int], wrong: list[int]):
    multipart = begin(bob)
    send(multipart, sent)

    with pytest.raises(PartsWrongError) as refused:
        close(multipart)

    assert refused.value.numbers == wrong
    assert isinstance(refused.value, UploadUnfinishedError)
    multipart.refresh_from_db()
    assert multipart.state == Multipart.State.RECEIVING


def test_a_part_that_somebody_with_the_keys_shortened_is_found(bob: User, bucket: Bucket):
    multipart = begin(bob)
    send(multipart, [1, 2, 3])
    bucket.get_client().upload_part(
        Bucket=bucket.name,
        Key=get_staging_name(multipart.upload_id),
        UploadId=multipart.store_id,
        PartNumber=2,
        Body=b"short",
    )

    with pytest.raises(PartsWrongError) as refused:
        close(multipart)
    assert refused.value.numbers == [2]


def test_another_length_than_that_of_the_upload_is_refused(bob: User):
    multipart = begin(bob)
    send(multipart, [1, 2, 3])

    with pytest.raises(DigestMismatchError, match=str(len(CONTENT) + 1)):
        close(multipart, CONTENT + b"x")


def test_closing_again_with_the_same_digest_is_harmless(bob: User):
    multipart = send_all(bob)

    assert close(multipart).state == Multipart.State.CLOSED

    verify_next_multipart(clock=ManualClock())
    assert close(multipart).state == Multipart.State.VERIFIED


def test_closing_again_with_another_digest_is_refused(bob: User):
    multipart = send_all(bob)
    declared = digest(CONTENT)

    for other in (
        Digest(bytes(32), declared.length, declared.root),
        Digest(declared.sha256, declared.length, bytes(32)),
        Digest(declared.sha256, declared.length - 1, declared.root),
    ):
        with pytest.raises(MultipartClosedError):
            close_multipart(upload_id=multipart.upload_id, owner_id=bob.id, declared=other, now=NOW)


def test_a_closed_upload_takes_no_more_parts(bob: User):
    multipart = send_all(bob)

    with pytest.raises(MultipartClosedError):
        send(multipart, [1])
    with pytest.raises(MultipartClosedError):
        list_parts(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)


def test_an_upload_that_the_store_lost_is_said_to_be_lost(bob: User):
    multipart = begin(bob)
    get_multipart_store().remove(get_staging_name(multipart.upload_id))

    with pytest.raises(UploadLostError):
        close(multipart)
    with pytest.raises(UploadLostError):
        list_parts(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)


def test_strangers_find_no_upload(bob: User):
    multipart, carol = begin(bob), make_user("carol")
    declared = digest(CONTENT)

    for ask in (
        lambda: sign_parts(upload_id=multipart.upload_id, owner_id=carol.id, parts=[(1, bytes(32))], now=NOW),
        lambda: list_parts(upload_id=multipart.upload_id, owner_id=carol.id, now=NOW),
        lambda: close_multipart(upload_id=multipart.upload_id, owner_id=carol.id, declared=declared, now=NOW),
        lambda: terminate_multipart(upload_id=multipart.upload_id, owner_id=carol.id, now=NOW),
        lambda: get_multipart(upload_id=uuid.uuid4(), owner_id=bob.id),
    ):
        with pytest.raises(UploadNotFoundError):
            ask()


def test_an_upload_in_parts_is_closed_to_tus(bob: User):
    multipart = begin(bob)

    with pytest.raises(UploadDoorError):
        terminate_upload(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)


def test_no_link_is_made_before_the_bytes_are_verified(bob: User):
    multipart = send_all(bob)

    with pytest.raises(UploadUnfinishedError):
        complete_upload(
            upload_id=multipart.upload_id,
            owner=bob,
            draft=LinkDraft(price_msat=0, manifest=MANIFEST, seal=bytes(32)),
            expected=digest(CONTENT),
            now=NOW,
        )
    assert not Blob.objects.exists()


def test_a_terminated_upload_leaves_nothing_in_the_store(bob: User, bucket: Bucket):
    multipart = begin(bob)
    send(multipart, [1])
    data = CONTENT[: multipart.part_bytes]
    wanted = [(1, hashlib.sha256(data).digest())]
    [late] = sign_parts(upload_id=multipart.upload_id, owner_id=bob.id, parts=wanted, now=NOW)

    terminate_multipart(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)

    assert (clear_multiparts(now=NOW), clear_multiparts(now=NOW)) == (1, 0)
    assert bucket.list_uploads() == []
    assert put_part(late, data).status_code == 404
    with pytest.raises(UploadGoneError):
        terminate_multipart(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)


def test_an_upload_is_not_given_up_while_it_is_verified(bob: User):
    multipart = send_all(bob)

    with pytest.raises(UploadBusyError):
        terminate_multipart(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)


def test_a_verified_upload_can_be_given_up_until_it_has_a_link(bob: User, bucket: Bucket):
    multipart = send_all(bob)
    verify_next_multipart(clock=ManualClock())

    terminate_multipart(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)
    clear_multiparts(now=NOW)

    assert bucket.list_names() == []


def test_an_upload_with_a_link_is_not_given_up(bob: User, bucket: Bucket):
    multipart = send_all(bob)
    verify_next_multipart(clock=ManualClock())
    complete_upload(
        upload_id=multipart.upload_id,
        owner=bob,
        draft=LinkDraft(price_msat=0, manifest=MANIFEST, seal=bytes(32)),
        expected=digest(CONTENT),
        now=NOW,
    )

    with pytest.raises(UploadCompletedError):
        terminate_multipart(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)
    clear_multiparts(now=NOW)
    assert bucket.list_names() == [get_storage_name(digest(CONTENT).sha256)]


def test_an_upload_that_was_not_closed_in_time_is_swept_with_its_parts(bob: User, bucket: Bucket):
    multipart = begin(bob)
    send(multipart, [1])

    assert expire_multiparts(now=NOW) == 0
    with pytest.raises(UploadExpiredError):
        close(multipart, now=LATER)
    assert (expire_multiparts(now=LATER), expire_multiparts(now=LATER)) == (1, 0)
    assert clear_multiparts(now=LATER) == 1

    multipart.refresh_from_db()
    assert (multipart.state, multipart.upload.state) == (Multipart.State.ABANDONED, Upload.State.TERMINATED)
    assert multipart.cleared_at == LATER
    assert bucket.list_uploads() == []


def test_a_closed_upload_does_not_expire_before_it_is_verified(bob: User):
    multipart = send_all(bob)

    assert expire_multiparts(now=LATER) == 0
    assert expire_uploads(now=LATER) == 0

    verify_next_multipart(clock=ManualClock(LATER))
    multipart.upload.refresh_from_db()
    assert multipart.upload.state == Upload.State.RECEIVED
    assert multipart.upload.expires_at == LATER + timedelta(days=7)


def test_a_verified_upload_without_a_link_expires_with_its_object(bob: User, bucket: Bucket):
    send_all(bob)
    verify_next_multipart(clock=ManualClock())

    assert expire_uploads(now=LATER) == 1
    assert clear_multiparts(now=LATER) == 1

    assert bucket.list_names() == []


def test_an_upload_that_a_crash_left_without_its_other_row_is_swept(bob: User):
    upload = Upload.objects.create(
        owner=bob, length=1, state=Upload.State.IN_PARTS, created_at=NOW, expires_at=NOW + timedelta(days=7)
    )

    assert expire_multiparts(now=LATER) == 1

    upload.refresh_from_db()
    assert upload.state == Upload.State.TERMINATED


def test_what_is_prolonged_meanwhile_is_not_swept(bob: User):
    multipart = begin(bob)
    stale = Upload.objects.get(id=multipart.upload_id)
    send(multipart, [1], now=NOW + timedelta(days=6))

    assert not _expire(stale, LATER)


def test_an_upload_that_is_given_up_while_it_is_closed_is_gone(bob: User, settings: Settings, bucket: Bucket):
    multipart = begin(bob)
    send(multipart, [1, 2, 3])

    def give_up() -> None:
        terminate_multipart(upload_id=multipart.upload_id, owner_id=bob.id, now=NOW)

    with watched(settings, bucket, "after list_parts", give_up), pytest.raises(UploadGoneError):
        close(multipart)
