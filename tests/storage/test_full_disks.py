"""Uploads to a disk that really becomes full: 507, nothing left behind, and on it goes when there is room again."""

import io
import uuid
from hashlib import shake_256
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from pytest_django import Settings

from storage.backends import DirectoryStorage
from storage.errors import StorageFullError
from storage.models import Upload
from storage.partials import get_partial_path, lock_partial
from storage.services.receiving import Body
from storage.services.uploads import create_upload_with_body
from tests.factories.storage import digest
from tests.factories.users import NOW, make_client, make_user
from tests.small_disks import MIB, SmallDisk
from tests.storage.test_api_views import create, patch
from users.models import User

CONTENT = shake_256(b"full disks").digest(3 * MIB)

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def client(bob: User) -> Client:
    return make_client(bob)


@pytest.fixture(autouse=True)
def disk(small_disk: SmallDisk, settings: Settings) -> SmallDisk:
    """The small disk, with the unfinished uploads on it."""
    settings.CADASTRE_UPLOAD_DIR = small_disk.path / "uploads"
    settings.CADASTRE_DISK_RESERVE_BYTES = 0
    return small_disk


@pytest.mark.parametrize("checkpoint_mib", [1, 32], ids=["some of it counts", "none of it counts"])
def test_an_upload_that_fills_the_disk_leaves_nothing_that_does_not_count_and_goes_on_later(
    client: Client, disk: SmallDisk, settings: Settings, checkpoint_mib: int
):
    settings.CADASTRE_UPLOAD_CHECKPOINT_BYTES = checkpoint_mib * MIB
    address = create(client, len(CONTENT)).headers["Location"]
    disk.fill_up_to(5 * MIB // 2)

    refused = patch(client, address, 0, CONTENT)

    upload = Upload.objects.get()
    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
    assert upload.offset == (2 * MIB if checkpoint_mib == 1 else 0)
    assert get_partial_path(upload.id).stat().st_size == upload.offset
    disk.filler.unlink()
    taken = patch(client, address, upload.offset, CONTENT[upload.offset :])
    upload.refresh_from_db()
    assert (taken.status_code, upload.state) == (204, Upload.State.RECEIVED)
    assert bytes(upload.sha256 or b"") == digest(CONTENT).sha256
    assert get_partial_path(upload.id).read_bytes() == CONTENT


def test_an_upload_with_its_bytes_leaves_nothing_on_a_disk_that_becomes_full(bob: User, disk: SmallDisk):
    class OthersTakeTheRoom(io.BytesIO):
        """A connection during which others fill the disk."""

        def readinto(self, buffer: Any, /) -> int:
            if not disk.filler.exists():
                disk.fill_up_to(MIB)
            return super().readinto(buffer)

    body = Body(OthersTakeTheRoom(CONTENT), len(CONTENT), None)

    with pytest.raises(StorageFullError):
        create_upload_with_body(owner=bob, length=len(CONTENT), body=body, now=NOW)

    assert disk.free_bytes == MIB
    assert list((disk.path / "uploads").iterdir()) == []
    assert Upload.objects.get().state == Upload.State.TERMINATED


@pytest.mark.parametrize("reserve_bytes", [0, 2 * MIB])
def test_an_upload_for_which_there_is_no_room_is_not_begun(
    client: Client, disk: SmallDisk, settings: Settings, reserve_bytes: int
):
    settings.CADASTRE_DISK_RESERVE_BYTES = reserve_bytes
    room = disk.free_bytes - reserve_bytes

    refused, taken = create(client, room + 1), create(client, room)

    assert (refused.status_code, refused.json()["code"]) == (507, "storage-full")
    assert taken.status_code == 201
    assert Upload.objects.get().length == room


def test_the_room_that_is_kept_for_others_is_not_taken(client: Client, disk: SmallDisk, settings: Settings):
    settings.CADASTRE_UPLOAD_CHECKPOINT_BYTES = MIB
    settings.CADASTRE_DISK_RESERVE_BYTES = MIB // 2
    address = create(client, len(CONTENT)).headers["Location"]
    disk.fill_up_to(2 * MIB)

    first = patch(client, address, 0, CONTENT)
    offset = Upload.objects.get().offset
    second = patch(client, address, offset, CONTENT[offset:])

    assert [answer.status_code for answer in (first, second)] == [507, 507]
    assert offset == Upload.objects.get().offset == 2 * MIB


def test_a_blob_that_does_not_fit_leaves_nothing(disk: SmallDisk):
    disk.fill_up_to(MIB)
    free_bytes, storage = disk.free_bytes, DirectoryStorage(disk.path / "blobs")

    with pytest.raises(StorageFullError):
        storage.save("aa/bb/blob", ContentFile(CONTENT))

    assert not [path for path in (disk.path / "blobs").rglob("*") if path.is_file()]
    assert free_bytes - disk.free_bytes < MIB // 8


def test_other_errors_of_the_disk_are_not_taken_for_a_full_one(disk: SmallDisk):
    (disk.path / "uploads").write_bytes(b"no folder")

    with pytest.raises(FileExistsError), lock_partial(uuid.uuid4()):
        pass
