"""Links: an upload becomes a blob once, whatever crashes in between."""

import threading
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from pytest_django import DjangoAssertNumQueries, Settings

from storage.digest import Digest
from storage.errors import (
    DigestMismatchError,
    ExpiryOutOfRangeError,
    LinkDisabledError,
    LinkNotFoundError,
    ManifestNotEncryptedError,
    ManifestTooLargeError,
    PriceOutOfRangeError,
    StorageError,
    TransfersMaxOutOfRangeError,
    UploadCompletedError,
    UploadExpiredError,
    UploadGoneError,
    UploadLostError,
    UploadNotFoundError,
    UploadUnfinishedError,
)
from storage.models import Blob, Link, Upload
from storage.partials import get_partial_path, lock_partial
from storage.selectors import get_link, list_links
from storage.services.links import PRICE_MSAT_MAX, TRANSFERS_MAX_MAX, LinkDraft, complete_upload
from storage.services.uploads import expire_uploads, get_storage_name
from tests.factories.storage import CONTENT, MANIFEST, digest, make_blob, make_link, make_upload
from tests.factories.users import NOW, make_user
from tests.storage.backends import DeletesSlowly, RunsBesides
from tests.storage.besides import after_reading_uploads
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def blobs(settings: Settings, tmp_path: Path) -> None:
    """Give each test a storage of its own."""
    use_storage(settings, tmp_path, "storage.backends.DirectoryStorage")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def use_storage(settings: Settings, tmp_path: Path, backend: str) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "blobs"}},
    }


def read_blob(blob: Blob) -> bytes:
    with storages["blobs"].open(blob.storage_name) as stream:
        return bytes(stream.read())


DRAFT_FIELDS = {field.name for field in fields(LinkDraft)}


def draft(**changes: Any) -> LinkDraft:
    given: dict[str, Any] = {"price_msat": 1_000, "manifest": MANIFEST, "seal": bytes(32)}
    return LinkDraft(**(given | changes))


def complete(upload: Upload, **changes: Any) -> Link:
    given: dict[str, Any] = {
        "upload_id": upload.id,
        "owner": upload.owner,
        "expected": digest(CONTENT),
        "now": NOW,
        "draft": draft(**{name: changes.pop(name) for name in list(changes) if name in DRAFT_FIELDS}),
    }
    return complete_upload(**(given | changes))


def test_makes_a_blob_and_a_link(bob: User):
    upload = make_upload(bob, received=len(CONTENT))

    link = complete(upload)

    upload.refresh_from_db()
    assert (upload.state, upload.blob) == (Upload.State.COMPLETED, link.blob)
    assert Digest(bytes(link.blob.sha256), link.blob.length, bytes(link.blob.root)) == digest(CONTENT)
    assert (link.owner, link.price_msat, bytes(link.manifest), link.created_at) == (bob, 1_000, MANIFEST, NOW)
    assert read_blob(link.blob) == CONTENT
    assert not get_partial_path(upload.id).exists()


def test_equal_bytes_are_one_blob_with_two_links(bob: User):
    first = complete(make_upload(bob, received=len(CONTENT)))
    second = complete(make_upload(make_user("alice"), received=len(CONTENT)))

    assert first.blob == second.blob
    assert first != second
    assert read_blob(first.blob) == CONTENT


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"expected": replace(digest(CONTENT), sha256=bytes(32))}, DigestMismatchError),
        ({"expected": replace(digest(CONTENT), root=bytes(32))}, DigestMismatchError),
        ({"expected": replace(digest(CONTENT), length=9)}, DigestMismatchError),
        ({"price_msat": -1}, PriceOutOfRangeError),
        ({"price_msat": PRICE_MSAT_MAX + 1}, PriceOutOfRangeError),
        ({"manifest": b""}, ManifestNotEncryptedError),
        ({"manifest": b'{"name": "diary.txt"}'}, ManifestNotEncryptedError),
        ({"manifest": MANIFEST + bytes(2**20)}, ManifestTooLargeError),
        ({"now": NOW + timedelta(days=8)}, UploadExpiredError),
        ({"expires_at": NOW}, ExpiryOutOfRangeError),
        ({"expires_at": NOW + timedelta(days=36_526)}, ExpiryOutOfRangeError),
        ({"transfers_max": 0}, TransfersMaxOutOfRangeError),
        ({"transfers_max": TRANSFERS_MAX_MAX + 1}, TransfersMaxOutOfRangeError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_refuses_and_writes_nothing(bob: User, changes: dict[str, Any], error: type[StorageError]):
    upload = make_upload(bob, received=len(CONTENT))

    with pytest.raises(error):
        complete(upload, **changes)

    upload.refresh_from_db()
    assert upload.state == Upload.State.RECEIVED
    assert not Blob.objects.exists()
    assert not Link.objects.exists()
    assert not storages["blobs"].exists(get_storage_name(digest(CONTENT).sha256))
    assert get_partial_path(upload.id).read_bytes() == CONTENT


def test_takes_the_highest_price(bob: User):
    assert complete(make_upload(bob, received=len(CONTENT)), price_msat=PRICE_MSAT_MAX).price_msat == PRICE_MSAT_MAX


def test_refuses_an_unfinished_upload(bob: User):
    with pytest.raises(UploadUnfinishedError, match="6 bytes"):
        complete(make_upload(bob, received=4))


def test_digests_an_upload_whose_last_request_crashed_before_it(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    Upload.objects.update(state=Upload.State.RECEIVING, sha256=None, root=None)

    assert complete(upload).blob.length == len(CONTENT)


def test_repeating_the_call_gives_the_same_link(bob: User):
    upload = make_upload(bob, received=len(CONTENT))

    assert complete(upload) == complete(upload)
    assert Link.objects.count() == 1


@pytest.mark.parametrize("changes", [{"price_msat": 2}, {"manifest": MANIFEST + b"2"}, {"seal": bytes([1] * 32)}])
def test_an_upload_does_not_become_a_second_link(bob: User, changes: dict[str, Any]):
    upload = make_upload(bob, received=len(CONTENT))
    complete(upload)

    with pytest.raises(UploadCompletedError):
        complete(upload, **changes)

    assert Link.objects.count() == 1


def test_a_crash_after_the_bytes_were_moved_is_healed_by_repeating(bob: User, settings: Settings, tmp_path: Path):
    upload = make_upload(bob, received=len(CONTENT))
    use_storage(settings, tmp_path, "tests.storage.backends.CrashesAfterSaving")
    with pytest.raises(KeyboardInterrupt):
        complete(upload)
    assert not get_partial_path(upload.id).exists()
    assert not Blob.objects.exists()

    use_storage(settings, tmp_path, "storage.backends.DirectoryStorage")
    link = complete(upload)

    assert read_blob(link.blob) == CONTENT


def run_besides(settings: Settings, tmp_path: Path, action: Callable[[], object]) -> None:
    """Let something happen once in the middle of the next completion, as a request or a sweep beside it would."""
    use_storage(settings, tmp_path, "tests.storage.backends.RunsBesides")
    RunsBesides.besides.append(action)


def test_of_two_equal_requests_at_once_both_get_the_same_link(bob: User, settings: Settings, tmp_path: Path):
    upload = make_upload(bob, received=len(CONTENT))
    run_besides(settings, tmp_path, lambda: complete(upload))

    link = complete(upload)

    assert link == Link.objects.get()
    assert read_blob(link.blob) == CONTENT


def test_of_two_different_requests_at_once_one_is_refused(bob: User, settings: Settings, tmp_path: Path):
    upload = make_upload(bob, received=len(CONTENT))
    run_besides(settings, tmp_path, lambda: complete(upload, price_msat=7))

    with pytest.raises(UploadCompletedError):
        complete(upload)

    assert Link.objects.get().price_msat == 7


def test_a_sweep_leaves_an_upload_that_is_being_made_into_a_blob(bob: User, settings: Settings, tmp_path: Path):
    upload = make_upload(bob, received=len(CONTENT))
    swept: list[int] = []
    run_besides(settings, tmp_path, lambda: swept.append(expire_uploads(now=NOW + timedelta(days=8))))

    link = complete(upload)

    assert swept == [0]
    assert read_blob(link.blob) == CONTENT


def test_an_upload_that_a_sweep_removed_meanwhile_makes_neither_a_blob_nor_a_link(bob: User):
    upload = make_upload(bob, received=len(CONTENT))

    with after_reading_uploads(lambda: expire_uploads(now=NOW + timedelta(days=8))), pytest.raises(UploadGoneError):
        complete(upload)

    assert not Blob.objects.exists()
    assert not storages["blobs"].exists(get_storage_name(digest(CONTENT).sha256))


@pytest.mark.django_db(transaction=True)
def test_an_equal_upload_that_is_completed_while_an_orphan_is_removed_keeps_its_bytes(
    bob: User, settings: Settings, tmp_path: Path
):
    """The equal one was not received yet when the sweep asked whether anybody needs the file."""
    crash(make_upload(bob, received=len(CONTENT)), settings, tmp_path)
    equal = make_upload(make_user("alice"), received=len(CONTENT), now=NOW + timedelta(days=7))
    Upload.objects.filter(id=equal.id).update(state=Upload.State.RECEIVING, sha256=None, root=None)
    use_storage(settings, tmp_path, "tests.storage.backends.DeletesSlowly")
    is_deleting, is_completed = DeletesSlowly.is_deleting, threading.Event()
    is_deleting.clear()

    def complete_besides() -> None:
        assert is_deleting.wait(timeout=60)
        complete(equal, now=NOW + timedelta(days=8))
        is_completed.set()

    def expire() -> None:
        DeletesSlowly.is_overtaken = is_completed
        assert expire_uploads(now=NOW + timedelta(days=8)) == 1

    assert run_together([complete_besides, expire]) == []

    assert read_blob(Blob.objects.get()) == CONTENT


def test_an_empty_file_that_a_crash_left_never_becomes_a_blob(bob: User, settings: Settings, tmp_path: Path):
    """The bytes are where blobs live already; a removal made the file anew to lock it, and ended there."""
    upload = make_upload(bob, received=len(CONTENT))
    crash(upload, settings, tmp_path)
    with lock_partial(upload.id):
        pass

    assert read_blob(complete(upload).blob) == CONTENT


def crash(upload: Upload, settings: Settings, tmp_path: Path) -> None:
    """Let a completion end right after the bytes were moved."""
    use_storage(settings, tmp_path, "tests.storage.backends.CrashesAfterSaving")
    with pytest.raises(KeyboardInterrupt):
        complete(upload)
    use_storage(settings, tmp_path, "storage.backends.DirectoryStorage")


def test_expiry_removes_the_file_that_a_crash_left_without_a_blob(bob: User, settings: Settings, tmp_path: Path):
    crash(make_upload(bob, received=len(CONTENT)), settings, tmp_path)

    assert expire_uploads(now=NOW + timedelta(days=8)) == 1

    assert not storages["blobs"].exists(get_storage_name(digest(CONTENT).sha256))


def test_expiry_keeps_the_file_of_a_blob(bob: User, settings: Settings, tmp_path: Path):
    crash(make_upload(bob, received=len(CONTENT)), settings, tmp_path)
    link = complete(make_upload(make_user("alice"), received=len(CONTENT)))

    assert expire_uploads(now=NOW + timedelta(days=8)) == 1

    assert read_blob(link.blob) == CONTENT


def test_expiry_keeps_the_file_that_an_equal_upload_is_about_to_use(bob: User, settings: Settings, tmp_path: Path):
    crash(make_upload(bob, received=len(CONTENT)), settings, tmp_path)
    equal = make_upload(make_user("alice"), received=len(CONTENT), now=NOW + timedelta(days=7))

    assert expire_uploads(now=NOW + timedelta(days=8)) == 1

    assert storages["blobs"].exists(get_storage_name(digest(CONTENT).sha256))
    assert read_blob(complete(equal, now=NOW + timedelta(days=8)).blob) == CONTENT


def test_a_storage_that_copies_leaves_no_bytes_behind(bob: User, settings: Settings, tmp_path: Path):
    use_storage(settings, tmp_path, "tests.storage.backends.OnAnotherFileSystem")
    upload = make_upload(bob, received=len(CONTENT))

    link = complete(upload)

    assert read_blob(link.blob) == CONTENT
    assert not get_partial_path(upload.id).exists()


def test_refuses_an_upload_whose_bytes_are_nowhere(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    get_partial_path(upload.id).unlink()

    with pytest.raises(UploadLostError):
        complete(upload)


def test_carol_cannot_make_a_link_of_bobs_upload(bob: User):
    upload = make_upload(bob, received=len(CONTENT))

    with pytest.raises(UploadNotFoundError):
        complete(upload, owner=make_user("carol"))


def test_a_terminated_upload_cannot_be_completed(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    Upload.objects.update(state=Upload.State.TERMINATED)

    with pytest.raises(UploadGoneError):
        complete(upload)


def test_a_link_is_found_until_it_is_disabled(bob: User):
    link = make_link(bob)
    disabled = make_link(bob, blob=link.blob, disabled_at=NOW)

    assert get_link(link.id, now=NOW) == link
    with pytest.raises(LinkDisabledError):
        get_link(disabled.id, now=NOW)
    with pytest.raises(LinkNotFoundError):
        get_link(link.blob_id, now=NOW)


def test_a_list_of_links_takes_one_query(bob: User, django_assert_num_queries: DjangoAssertNumQueries):
    blob = make_blob()
    links = [make_link(bob, blob=blob, now=NOW + timedelta(seconds=index)) for index in range(3)]
    make_link(make_user("carol"), blob=blob)

    with django_assert_num_queries(1):
        listed = [(link.id, link.blob.length) for link in list_links(owner_id=bob.id)]

    assert listed == [(link.id, len(CONTENT)) for link in reversed(links)]
