"""Delivery of a blob's bytes, whole or in part."""

import uuid
from contextlib import closing
from pathlib import Path

import pytest
from django.core.files.storage import storages
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from storage import delivery
from storage.delivery import ByteRange, get_etag, open_delivery, parse_range
from storage.errors import BlobErasedError, BlobNotFoundError, BlobUnavailableError, RangeNotSatisfiableError
from storage.models import Blob
from tests.factories.storage import CONTENT, make_blob
from tests.factories.users import NOW


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", ByteRange(0, 0)),
        ("bytes=2-5", ByteRange(2, 5)),
        ("Bytes=2-5", ByteRange(2, 5)),
        ("bytes=2-", ByteRange(2, 9)),
        ("bytes=2-9999", ByteRange(2, 9)),
        ("bytes=9-9", ByteRange(9, 9)),
        ("bytes=-1", ByteRange(9, 9)),
        ("bytes=-10", ByteRange(0, 9)),
        ("bytes=-9999", ByteRange(0, 9)),
    ],
)
def test_reads_a_range(header: str, expected: ByteRange):
    assert parse_range(header, 10) == expected


@pytest.mark.parametrize(
    "header",
    [None, "", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "items=0-1", "bytes=+1-2",
     "bytes=1-2 ", "bytes=٣-٤", "bytes=" + "9" * 5000 + "-"],
)  # fmt: skip
def test_ignores_what_is_not_one_range_of_bytes(header: str | None):
    assert parse_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=9999999999999999999-", "bytes=-0"])
def test_refuses_a_range_behind_the_end(header: str):
    with pytest.raises(RangeNotSatisfiableError) as caught:
        parse_range(header, 10)

    assert caught.value.length == 10


@pytest.mark.parametrize(
    ("if_range", "is_kept"),
    [(None, True), ('"a"', True), ('"b"', False), ('W/"a"', False), ("Thu, 01 Jan 2026", False)],
)
def test_a_range_of_another_version_is_ignored(if_range: str | None, is_kept: bool):
    assert (parse_range("bytes=1-2", 10, if_range=if_range, etag='"a"') is not None) == is_kept


@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20))
def test_a_range_names_the_bytes_that_a_slice_would(first: int, last: int, length: int):
    data = bytes(range(length))

    try:
        found = parse_range(f"bytes={first}-{last}", length)
    except RangeNotSatisfiableError:
        assert not data[first : last + 1]
        return

    if found is None:
        assert last < first
    else:
        assert data[found.first : found.last + 1] == data[first : last + 1]
        assert found.length == len(data[first : last + 1])


def read_all(blob: Blob) -> bytes:
    """Return a blob's bytes as they are delivered, and close the file."""
    with closing(open_delivery(blob_id=blob.id, byte_range=None).chunks) as chunks:
        return b"".join(chunks)


@pytest.mark.django_db
def test_delivers_the_whole(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 3)
    blob = make_blob()

    opened = open_delivery(blob_id=blob.id, byte_range=None)

    assert (opened.status, opened.length) == (200, len(CONTENT))
    assert list(opened.chunks) == [CONTENT[0:3], CONTENT[3:6], CONTENT[6:9], CONTENT[9:]]
    assert opened.headers == {
        "Content-Type": "application/octet-stream",
        "Content-Length": "10",
        "Content-Disposition": "attachment",
        "Accept-Ranges": "bytes",
        "ETag": get_etag(blob),
        "Cache-Control": "private, no-transform",
        "X-Content-Type-Options": "nosniff",
    }
    opened.chunks.close()


@pytest.mark.django_db
@pytest.mark.parametrize(("first", "last"), [(0, 0), (3, 7), (9, 9), (0, 9)])
def test_delivers_a_range(first: int, last: int):
    blob = make_blob()

    opened = open_delivery(blob_id=blob.id, byte_range=ByteRange(first, last))

    assert b"".join(opened.chunks) == CONTENT[first : last + 1]
    assert (opened.status, opened.length) == (206, last - first + 1)
    assert opened.headers["Content-Range"] == f"bytes {first}-{last}/10"
    assert opened.headers["Content-Length"] == str(last - first + 1)
    opened.chunks.close()


@pytest.mark.django_db
def test_a_range_beyond_the_blob_is_refused():
    blob = make_blob()

    for byte_range in (ByteRange(0, 10), ByteRange(10, 10), ByteRange(5, 4), ByteRange(-1, 2)):
        with pytest.raises(RangeNotSatisfiableError):
            open_delivery(blob_id=blob.id, byte_range=byte_range)


@pytest.mark.django_db
def test_erased_and_unknown_blobs_are_not_delivered():
    with pytest.raises(BlobErasedError):
        open_delivery(blob_id=make_blob(erased_at=NOW).id, byte_range=None)
    with pytest.raises(BlobNotFoundError):
        open_delivery(blob_id=uuid.uuid4(), byte_range=None)


@pytest.mark.django_db
def test_missing_bytes_are_never_passed_off_as_the_whole():
    blob = make_blob()
    path = storages["blobs"].path(blob.storage_name)
    with open(path, "r+b") as stream:  # noqa: PTH123 - Django gives the path as text
        stream.truncate(4)

    with pytest.raises(BlobUnavailableError, match=f"4 bytes, not {len(CONTENT)}"):
        open_delivery(blob_id=blob.id, byte_range=ByteRange(0, 1))

    storages["blobs"].delete(blob.storage_name)
    with pytest.raises(BlobUnavailableError):
        open_delivery(blob_id=blob.id, byte_range=None)


@pytest.mark.django_db
def test_a_file_that_ends_while_it_is_served_breaks_off():
    blob = make_blob()
    opened = open_delivery(blob_id=blob.id, byte_range=None)
    with open(storages["blobs"].path(blob.storage_name), "r+b") as stream:  # noqa: PTH123 - Django gives the path as text
        stream.truncate(3)

    with pytest.raises(BlobUnavailableError, match="7 bytes"):
        list(opened.chunks)
    opened.chunks.close()


@pytest.mark.django_db
@pytest.mark.parametrize("backend", ["CannotOpen", "CannotTellSizes", "CannotRead"])
def test_whatever_a_backend_raises_means_that_the_blob_is_unavailable(settings: Settings, tmp_path: Path, backend: str):
    options = {"BACKEND": f"tests.storage.backends.{backend}", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "blobs": options}
    blob = make_blob()

    with pytest.raises(BlobUnavailableError):
        read_all(blob)
