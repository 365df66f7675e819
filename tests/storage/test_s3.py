"""Blobs in an S3-compatible store, tried on OpenStack Swift."""

import hashlib
import io
import secrets
from pathlib import Path

import pytest
import requests
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from pytest_django import Settings

from storage.errors import ObjectChangedError, StoreUnavailableError
from storage.multipart import get_multipart_store
from storage.s3 import S3Storage
from storage.s3_files import S3File
from storage.services.uploads import get_storage_name
from tests.swift import PART_BYTES_MIN, Bucket, find_ports, use_bucket

CONTENT = b"ciphertext" * 20_000


def name_of(content: bytes) -> str:
    return get_storage_name(hashlib.sha256(content).digest())


def save(content: bytes = CONTENT) -> str:
    return storages["blobs"].save(name_of(content), ContentFile(content))


def test_an_object_has_exactly_the_name_of_its_digest(bucket: Bucket):
    name = save()

    assert name == name_of(CONTENT)
    assert bucket.list_names() == [name]
    assert storages["blobs"].exists(name)
    assert storages["blobs"].size(name) == len(CONTENT)
    with storages["blobs"].open(name) as stream:
        assert stream.read() == CONTENT


def test_saving_again_replaces_nothing(bucket: Bucket):
    name = save()
    before = bucket.get_client().head_object(Bucket=bucket.name, Key=name)

    assert save() == name

    after = bucket.get_client().head_object(Bucket=bucket.name, Key=name)
    assert (
        after["ResponseMetadata"]["HTTPHeaders"]["last-modified"]
        == before["ResponseMetadata"]["HTTPHeaders"]["last-modified"]
    )


def test_one_of_two_equal_uploads_that_arrive_at_once_stays(bucket: Bucket):
    class SavedMeanwhile(ContentFile[bytes]):
        """A content that somebody else has saved by the time that it is read."""

        def seek(self, offset: int, whence: int = 0) -> int:
            storages["blobs"].save(name_of(CONTENT), ContentFile(CONTENT))
            place: int = super().seek(offset, whence)
            return place

    assert storages["blobs"].save(name_of(CONTENT), SavedMeanwhile(CONTENT)) == name_of(CONTENT)
    assert bucket.list_names() == [name_of(CONTENT)]


def test_the_store_refuses_bytes_that_do_not_have_the_digest_of_their_name(bucket: Bucket):
    with pytest.raises(Exception, match="BadDigest"):
        storages["blobs"].save(name_of(CONTENT), ContentFile(CONTENT[::-1]))

    assert bucket.list_names() == []


def test_a_long_object_is_saved_in_parts(bucket: Bucket, settings: Settings):
    use_bucket(settings, bucket, single_bytes_max=PART_BYTES_MIN)

    name = save()

    with storages["blobs"].open(name) as stream:
        assert stream.read() == CONTENT
    assert bucket.list_uploads() == []


def test_an_object_whose_parts_do_not_arrive_is_given_up(bucket: Bucket, settings: Settings):
    class Breaks(ContentFile[bytes]):
        """A content whose disk fails."""

        def read(self, size: int | None = None) -> bytes:
            if self.tell():
                raise InterruptedError
            data: bytes = super().read(size)
            return data

    use_bucket(settings, bucket, single_bytes_max=PART_BYTES_MIN)
    with pytest.raises(InterruptedError):
        storages["blobs"].save(name_of(CONTENT), Breaks(CONTENT))

    assert (bucket.list_names(), bucket.list_uploads()) == ([], [])


def test_an_erased_object_is_gone_and_erasing_again_is_harmless(bucket: Bucket):
    name = save()

    storages["blobs"].delete(name)
    storages["blobs"].delete(name)

    assert not storages["blobs"].exists(name)
    for ask in (storages["blobs"].size, storages["blobs"].open):
        with pytest.raises(FileNotFoundError):
            ask(name)


def test_erasing_removes_what_interrupted_copies_left(bucket: Bucket):
    name = save()
    get_multipart_store().begin(name)

    storages["blobs"].delete(name)

    assert (bucket.list_names(), bucket.list_uploads()) == ([], [])


@pytest.mark.parametrize("single_bytes_max", [0, 2**20])
def test_a_file_that_may_be_moved_stays_where_it_is(
    bucket: Bucket, settings: Settings, tmp_path: Path, single_bytes_max: int
):
    use_bucket(settings, bucket, single_bytes_max=single_bytes_max)
    source = tmp_path / "partial"
    source.write_bytes(CONTENT)

    with source.open("rb") as stream:
        storages["blobs"].save(name_of(CONTENT), File(stream, name=str(source)))

    assert source.read_bytes() == CONTENT
    with storages["blobs"].open(name_of(CONTENT)) as stored:
        assert b"".join(stored.chunks(70_000)) == CONTENT


def test_reading_begins_anywhere_and_again(bucket: Bucket):
    with storages["blobs"].open(save()) as stream:
        assert stream.read(10) == CONTENT[:10]
        stream.seek(10)
        assert stream.read(5) == CONTENT[10:15]
        stream.seek(len(CONTENT) - 3)
        assert stream.read(10) == CONTENT[-3:]
        assert stream.read(10) == b""
        stream.seek(0)
        assert stream.read() == CONTENT


class BreaksOff(S3File):
    """A file whose connection ends after each read."""

    def _read_some(self, wanted: int) -> bytes:
        part = super()._read_some(min(wanted, 60_000))
        body, self._body = self._body, None
        assert body is not None
        body.close()
        self._body = _Ended()  # type: ignore[assignment]  # what a connection that ended is to its reader
        return part


class _Ended(io.BytesIO):
    """An answer without one byte more."""


def test_a_connection_that_breaks_is_made_again_where_it_broke(bucket: Bucket):
    name = save()
    found = get_multipart_store().find_object(name)
    assert found is not None

    stream = BreaksOff(bucket.get_client(), bucket.name, name, found)

    assert stream.read() == CONTENT


def test_a_version_that_was_replaced_is_not_read_on(bucket: Bucket):
    name = save()
    with storages["blobs"].open(name) as stream:
        bucket.get_client().put_object(Bucket=bucket.name, Key=name, Body=b"another")

        with pytest.raises(ObjectChangedError):
            stream.read()


def test_an_object_that_was_erased_is_not_read_on(bucket: Bucket):
    name = save()
    with storages["blobs"].open(name) as stream:
        storages["blobs"].delete(name)

        with pytest.raises(FileNotFoundError):
            stream.read()


@pytest.fixture
def down() -> S3Storage:
    """Return a storage whose store does not answer."""
    url = f"http://127.0.0.1:{find_ports(1)[0]}"
    return S3Storage(bucket="blobs", endpoint_url=url, access_key="a", secret_key="b", attempts_max=1)


def test_a_store_that_is_down_is_told_apart_from_an_object_that_is_not_there(down: S3Storage):
    for ask in (down.exists, down.size, down.open, down.delete):
        with pytest.raises(StoreUnavailableError):
            ask("name")
    with pytest.raises(StoreUnavailableError):
        down.save(name_of(CONTENT), ContentFile(CONTENT))


def test_a_file_gives_up_when_the_store_stays_down(bucket: Bucket, down: S3Storage):
    found = get_multipart_store().find_object(save())
    assert found is not None

    with pytest.raises(StoreUnavailableError), down.multiparts.open_version("name", found) as stream:
        stream.read()


def test_keys_that_the_store_refuses_are_the_operators_to_mend(bucket: Bucket, settings: Settings):
    use_bucket(settings, bucket, secret_key=secrets.token_hex(16))

    with pytest.raises(Exception, match="403"):
        storages["blobs"].exists("name")


def sign(name: str, range_header: str | None = None) -> str:
    """Return the address to which a reader is sent."""
    url: str = storages["blobs"].find_hand_over(name, range_header)[1]["Location"]  # type: ignore[attr-defined]
    return url


def fetch(url: str, **headers: str) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=30)


def test_a_reader_is_sent_to_the_store_with_an_address_that_serves_ranges(bucket: Bucket):
    status, headers = storages["blobs"].find_hand_over(save(), None)  # type: ignore[attr-defined]  # ours alone has it

    assert status == 307
    assert headers["Cache-Control"] == "no-store"
    whole = fetch(headers["Location"])
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["Content-Disposition"] == "attachment"
    part = fetch(headers["Location"], Range="bytes=5-14")
    assert (part.status_code, part.content) == (206, CONTENT[5:15])


def test_an_address_for_a_range_serves_that_range_alone(bucket: Bucket):
    url = sign(save(), "bytes=5-14")

    assert fetch(url, Range="bytes=5-14").content == CONTENT[5:15]
    assert fetch(url, Range="bytes=5-15").status_code == 403
    assert fetch(url).status_code == 403


def test_a_reader_cannot_change_the_address_or_use_it_for_another_object(bucket: Bucket):
    url = sign(save())
    other = save(b"other")

    assert fetch(url.replace(name_of(CONTENT), other)).status_code == 403
    assert fetch(url.replace("attachment", "inline")).status_code == 403
    with requests.Session() as session:
        session.trust_env = False
        assert session.delete(url, timeout=30).status_code == 403
    assert storages["blobs"].exists(other)


def test_addresses_are_made_for_where_readers_reach_the_store(bucket: Bucket, settings: Settings):
    use_bucket(settings, bucket, public_url="https://store.example.org", delivery_seconds=7)

    url = sign("name")

    assert url.startswith(f"https://store.example.org/{bucket.name}/name?")
    assert "X-Amz-Expires=7&" in url
