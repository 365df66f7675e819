"""A blob's bytes go with the last link that keeps them, whatever crashes or comes in between; its row stays."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings

from storage.delivery import open_delivery
from storage.errors import BlobErasedError, BlobUnavailableError, LinkEndedError
from storage.models import Blob, Link, Upload
from storage.partials import lock_blob
from storage.selectors import get_held_link
from storage.services import erasure
from storage.services.erasure import release_links
from storage.services.link_changes import LinkLimits, change_link, count_transfer, delete_link
from storage.services.links import LinkDraft, complete_upload, create_link
from storage.tasks import release_links_task
from tests.factories.storage import CONTENT, MANIFEST, digest, make_blob, make_link, make_upload
from tests.factories.users import NOW, make_user
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
DRAFT = LinkDraft(price_msat=0, manifest=MANIFEST, seal=bytes(32))


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def path_of(blob: Blob) -> Path:
    return Path(storages["blobs"].path(blob.storage_name))


def end(link: Link, **columns: Any) -> Link:
    Link.objects.filter(id=link.id).update(**columns)
    link.refresh_from_db()
    return link


def use_backend(settings: Settings, tmp_path: Path, name: str) -> None:
    backend = f"tests.storage.backends.{name}"
    settings.STORAGES = settings.STORAGES | {
        "blobs": {"BACKEND": backend, "OPTIONS": {"location": tmp_path / "blobs"}},
    }


def test_the_last_link_takes_the_bytes_with_it_and_the_row_stays(bob: User):
    first = make_link(bob)
    second = make_link(bob, blob=first.blob)
    blob = first.blob

    delete_link(link_id=first.id, owner_id=bob.id, now=NOW)
    kept = release_links(now=NOW)
    assert (kept, path_of(blob).read_bytes()) == (0, CONTENT)
    delete_link(link_id=second.id, owner_id=bob.id, now=NOW + DAY)
    erased = release_links(now=NOW + DAY)

    blob.refresh_from_db()
    assert (erased, blob.erased_at, blob.removed_at) == (1, NOW + DAY, NOW + DAY)
    assert not path_of(blob).exists()
    assert bytes(blob.sha256) == digest(CONTENT).sha256
    assert Link.objects.count() == 2
    with pytest.raises(BlobErasedError):
        open_delivery(blob_id=blob.id, byte_range=None)
    assert release_links(now=NOW + 2 * DAY) == 0


def test_an_expired_link_keeps_its_bytes_for_those_who_paid_before(bob: User):
    link = make_link(bob)
    end(link, expires_at=NOW, release_at=NOW + DAY)

    assert release_links(now=NOW + DAY - timedelta(seconds=1)) == 0
    assert get_held_link(link.id) == link
    assert release_links(now=NOW + DAY) == 1
    with pytest.raises(LinkEndedError):
        get_held_link(link.id)
    link.refresh_from_db()
    assert bytes(link.manifest) == b"", "what the manifest describes is gone"


def test_a_link_that_is_used_up_keeps_its_bytes_for_its_last_reader(bob: User):
    link = make_link(bob)
    end(link, transfers_max=1)

    with transaction.atomic():
        count_transfer(link_id=link.id, now=NOW)

    link.refresh_from_db()
    assert (link.transfers_left, link.release_at) == (0, NOW + DAY)
    assert release_links(now=NOW) == 0
    assert release_links(now=NOW + DAY) == 1


def test_an_owner_who_lifts_a_limit_in_time_keeps_the_bytes(bob: User):
    link = end(make_link(bob), expires_at=NOW, release_at=NOW + DAY)

    limits = LinkLimits(price_msat=0, expires_at=None, transfers_max=None)
    change_link(link_id=link.id, owner_id=bob.id, limits=limits, now=NOW)

    assert release_links(now=NOW + 9 * DAY) == 0
    assert path_of(link.blob).exists()


def test_a_manifest_of_another_links_stays_with_a_blob_that_stays(bob: User):
    first = make_link(bob)
    second = make_link(bob, blob=first.blob)

    delete_link(link_id=first.id, owner_id=bob.id, now=NOW)
    release_links(now=NOW)

    second.refresh_from_db()
    assert bytes(second.manifest) == MANIFEST


# --- Crashes ---


def test_a_crash_before_the_bytes_are_removed_is_healed_by_the_next_sweep(
    bob: User, settings: Settings, tmp_path: Path
):
    use_backend(settings, tmp_path, "CrashesBeforeDeleting")
    link = make_link(bob)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW)

    with pytest.raises(KeyboardInterrupt):
        release_links(now=NOW)
    use_backend(settings, tmp_path, "OnAnotherFileSystem")
    link.blob.refresh_from_db()
    assert (link.blob.erased_at, link.blob.removed_at, path_of(link.blob).exists()) == (NOW, None, True)
    with pytest.raises(BlobErasedError):
        open_delivery(blob_id=link.blob_id, byte_range=None)

    assert release_links(now=NOW + DAY) == 1
    link.blob.refresh_from_db()
    assert (link.blob.erased_at, link.blob.removed_at, path_of(link.blob).exists()) == (NOW, NOW + DAY, False)


def test_a_crash_after_the_bytes_were_removed_is_healed_by_the_next_sweep(
    bob: User, settings: Settings, tmp_path: Path
):
    use_backend(settings, tmp_path, "CrashesAfterDeleting")
    link = make_link(bob)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW)

    with pytest.raises(KeyboardInterrupt):
        release_links(now=NOW)
    use_backend(settings, tmp_path, "OnAnotherFileSystem")

    assert not path_of(link.blob).exists()
    assert release_links(now=NOW) == 1
    assert Blob.objects.get().removed_at == NOW


def test_a_backend_that_fails_is_asked_again_and_keeps_no_other_blob(
    bob: User, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    use_backend(settings, tmp_path, "CannotDelete")
    links = [make_link(bob), make_link(bob, blob=make_blob(b"other"))]
    for link in links:
        delete_link(link_id=link.id, owner_id=bob.id, now=NOW)

    assert release_links(now=NOW) == 0
    assert str(links[0].blob_id) in caplog.text
    use_backend(settings, tmp_path, "OnAnotherFileSystem")
    assert release_links(now=NOW) == 2


# --- Together with others ---


def test_a_blob_that_somebody_brings_at_this_moment_waits(bob: User):
    link = make_link(bob)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW)

    with lock_blob(bytes(link.blob.sha256), is_exclusive=False):
        assert release_links(now=NOW) == 0
    assert path_of(link.blob).exists()
    assert release_links(now=NOW) == 1


def test_bytes_that_came_back_after_the_mark_are_not_removed(bob: User):
    """The sweep crashed between mark and removal, and the next one comes after an equal upload."""
    link = make_link(bob)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW)
    Blob.objects.update(erased_at=NOW)
    upload = make_upload(bob, received=len(CONTENT))

    complete_upload(upload_id=upload.id, owner=bob, draft=DRAFT, expected=digest(CONTENT), now=NOW)

    assert release_links(now=NOW) == 0
    blob = Blob.objects.get()
    assert (blob.erased_at, path_of(blob).read_bytes()) == (None, CONTENT)
    with pytest.raises(LinkEndedError):
        get_held_link(link.id)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["erasing", "sharing"])
def test_erasing_and_sharing_at_once_leave_a_link_with_bytes_or_neither(bob: User, first: str):
    link = end(make_link(bob), expires_at=NOW, release_at=NOW)
    refused: list[str] = []

    def share() -> None:
        try:
            create_link(link_id=link.id, owner=bob, draft=DRAFT, now=NOW)
        except BlobErasedError:
            refused.append("refused")

    actions: list[Callable[[], object]] = [lambda: release_links(now=NOW), share]
    errors = run_together(actions if first == "erasing" else actions[::-1])

    blob = Blob.objects.get()
    assert errors == []
    assert Link.objects.count() == 2 - len(refused)
    assert path_of(blob).exists() == (blob.erased_at is None) == (not refused)


@pytest.mark.django_db(transaction=True)
def test_erasing_and_uploading_at_once_leave_the_bytes(bob: User):
    for round_number in range(3):
        link = make_link(bob, blob=Blob.objects.first() or make_blob())
        delete_link(link_id=link.id, owner_id=bob.id, now=NOW)
        Link.objects.exclude(id=link.id).update(release_at=NOW)
        upload = make_upload(bob, received=len(CONTENT))
        draft = LinkDraft(price_msat=round_number, manifest=MANIFEST, seal=bytes(32))

        def complete(upload: Upload = upload, draft: LinkDraft = draft) -> None:
            complete_upload(upload_id=upload.id, owner=bob, draft=draft, expected=digest(CONTENT), now=NOW)

        errors = run_together([lambda: release_links(now=NOW), complete])
        release_links(now=NOW)

        blob = Blob.objects.get()
        assert errors == []
        assert (blob.erased_at, path_of(blob).read_bytes()) == (None, CONTENT)


def drain(chunks: Iterator[bytes], sent: bytearray) -> None:
    """Read on until the end or an error."""
    for chunk in chunks:
        sent.extend(chunk)


def test_a_delivery_under_way_breaks_off_and_sends_no_zeros(bob: User):
    content = bytes(range(1, 251)) * 20_000
    link = make_link(bob, blob=make_blob(content))
    delivery = open_delivery(blob_id=link.blob_id, byte_range=None)
    chunks = iter(delivery.chunks)
    sent = bytearray(next(chunks))

    delete_link(link_id=link.id, owner_id=bob.id, now=NOW)
    release_links(now=NOW)
    with pytest.raises(BlobUnavailableError):
        drain(chunks, sent)
    delivery.chunks.close()

    assert 0 < len(sent) < len(content)
    assert content.startswith(sent)


# --- Scale ---


def test_a_sweep_asks_as_much_whatever_is_kept(bob: User, django_assert_num_queries: DjangoAssertNumQueries):
    for number in range(3):
        end(make_link(bob, blob=make_blob(bytes([number]))), release_at=NOW)
    with CaptureQueriesContext(connection) as few:
        release_links(now=NOW)
    for number in range(3, 6):
        end(make_link(bob, blob=make_blob(bytes([number]))), release_at=NOW)
    for number in range(6, 30):
        make_link(bob, blob=make_blob(bytes([number])))

    with django_assert_num_queries(len(few)):
        release_links(now=NOW)


def test_one_sweep_takes_so_many_and_the_next_one_the_rest(bob: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(erasure, "RELEASED_PER_SWEEP", 2)
    for number in range(3):
        end(make_link(bob, blob=make_blob(bytes([number]))), release_at=NOW)

    assert [release_links(now=NOW) for _ in range(3)] == [2, 1, 0]


def test_the_task_sweeps_and_may_run_twice(bob: User):
    link = make_link(bob)
    delete_link(link_id=link.id, owner_id=bob.id, now=NOW)

    for _ in range(2):
        release_links_task()

    assert not path_of(link.blob).exists()
