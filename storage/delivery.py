"""Serves a blob's bytes, or one range of them (RFC 9110, section 14), without holding more than a chunk in memory."""

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.core.files import File
from django.core.files.storage import Storage, storages

from storage.errors import BlobUnavailableError, RangeNotSatisfiableError
from storage.models import Blob
from storage.selectors import get_blob

CHUNK_BYTES = 256 * 1024

CONDITIONS = ("If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since")
"""Headers that another server would weigh against a validator of its own."""

# Nineteen digits hold every length that a blob can have.
_RANGE = re.compile("bytes=([0-9]{0,19})-([0-9]{0,19})", re.IGNORECASE)


@dataclass(frozen=True)
class ByteRange:
    """A part of a blob: the positions of its first and its last byte."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that are."""
        return self.last - self.first + 1


class Chunks:
    """The bytes of a delivery; closing it closes the file, also if nothing was read."""

    def __init__(self, stream: File[bytes], length: int) -> None:
        self._stream = stream
        self._length = length

    def __iter__(self) -> Iterator[bytes]:
        """Yield all bytes in chunks.

        Raises BlobUnavailableError if the file ends early or cannot be read on; the connection breaks off then, for
        what was sent is not whole.
        """
        left = self._length
        while left:
            try:
                chunk = self._stream.read(min(CHUNK_BYTES, left))
            except Exception as error:  # each backend has errors of its own
                raise BlobUnavailableError from error
            if not chunk:
                raise BlobUnavailableError(f"The blob's file lacks {left} bytes.")
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


@dataclass(frozen=True)
class Delivery:
    """An answer with a blob's bytes: 200 with all of them, 206 with a range. `chunks` yields `length` bytes."""

    status: int
    headers: dict[str, str]
    chunks: Chunks
    length: int


@dataclass(frozen=True)
class HandOver:
    """An answer that has no bytes: with it, a server that is better at it sends `length` bytes of the blob."""

    status: int
    headers: dict[str, str]
    length: int


def get_etag(blob: Blob) -> str:
    """Return the strong validator of a blob: its SHA-256."""
    return f'"{bytes(blob.sha256).hex()}"'


def parse_range(
    header: str | None, length: int, *, if_range: str | None = None, etag: str | None = None
) -> ByteRange | None:
    """Return the range that a request asks for, or None if it is to get everything.

    As RFC 9110 allows, a header that is malformed, in another unit or for several ranges is ignored. So is one whose
    If-Range names another version than `etag`: a weak validator or a date never equals it. Raises
    RangeNotSatisfiableError if the range lies behind the end.
    """
    match = _RANGE.fullmatch(header) if header is not None else None
    if match is None or (if_range is not None and if_range.strip() != etag):
        return None
    first_text, last_text = match.groups()
    if not first_text:
        return _parse_suffix(last_text, length)
    first = int(first_text)
    last = int(last_text) if last_text else length - 1
    if last_text and last < first:
        return None
    if first >= length:
        raise RangeNotSatisfiableError(length)
    return ByteRange(first, min(last, length - 1))


def open_delivery(*, blob_id: uuid.UUID, byte_range: ByteRange | None) -> Delivery:
    """Open a blob for serving; whoever takes the delivery closes its chunks.

    Raises BlobNotFoundError, BlobErasedError, RangeNotSatisfiableError, or BlobUnavailableError if the storage does not
    give the bytes.
    """
    blob = get_blob(blob_id)
    part = byte_range or ByteRange(0, blob.length - 1)
    if not 0 <= part.first <= part.last < blob.length:
        raise RangeNotSatisfiableError(blob.length)
    headers = {**_describe(blob), "Content-Length": str(part.length)}
    if byte_range is not None:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{blob.length}"
    stream = _open(blob, part)
    return Delivery(200 if byte_range is None else 206, headers, Chunks(stream, part.length), part.length)


def find_hand_over(*, blob: Blob, byte_range: ByteRange | None, request_headers: Mapping[str, str]) -> HandOver | None:
    """Return the answer with which another server sends a blob, or the range that was read from the request's headers.

    None if the storage has no such server, or if the request says something that the other server could understand in
    another way than `parse_range` did: conditions, and a Range that was ignored. Raises BlobUnavailableError if the
    file is not there whole, for then nothing must be charged.
    """
    find_headers = getattr(storages["blobs"], "find_hand_over", None)
    is_odd = byte_range is None and "Range" in request_headers
    if find_headers is None or is_odd or any(name in request_headers for name in CONDITIONS):
        return None
    found: tuple[int, dict[str, str]] | None = find_headers(blob.storage_name, request_headers.get("Range"))
    if found is None:
        return None
    _require_whole(storages["blobs"], blob)
    status, headers = found
    length = blob.length if byte_range is None else byte_range.length
    return HandOver(status, {**_describe(blob), **headers}, length)


def _describe(blob: Blob) -> dict[str, str]:
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment",
        "Accept-Ranges": "bytes",
        "ETag": get_etag(blob),
        "Cache-Control": "private, no-transform",
        "X-Content-Type-Options": "nosniff",
    }


def _require_whole(blobs: Storage, blob: Blob) -> None:
    try:
        stored_bytes = blobs.size(blob.storage_name)
    except Exception as error:  # each backend has errors of its own
        raise BlobUnavailableError from error
    if stored_bytes != blob.length:
        raise BlobUnavailableError(f"The blob's file has {stored_bytes} bytes, not {blob.length}.")


def _parse_suffix(text: str, length: int) -> ByteRange | None:
    if not text:
        return None
    if int(text) == 0:
        raise RangeNotSatisfiableError(length)
    return ByteRange(max(0, length - int(text)), length - 1)


def _open(blob: Blob, part: ByteRange) -> File[bytes]:
    """Open a blob's file at a part. Raises BlobUnavailableError if it cannot be opened or has another length."""
    try:
        stream = storages["blobs"].open(blob.storage_name, "rb")
    except Exception as error:  # each backend has errors of its own
        raise BlobUnavailableError from error
    try:
        stored_bytes = stream.size
        stream.seek(part.first)
    except Exception as error:
        stream.close()
        raise BlobUnavailableError from error
    if stored_bytes != blob.length:
        stream.close()
        raise BlobUnavailableError(f"The blob's file has {stored_bytes} bytes, not {blob.length}.")
    return stream
