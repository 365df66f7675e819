"""Reads and writes the headers of tus 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import binascii
import io
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.conf import settings
from django.utils.http import http_date
from rest_framework.request import Request

from storage.api.streams import CopiedStream, open_stream
from storage.errors import (
    StorageError,
    UploadBodyLengthError,
    UploadHeaderError,
    UploadMediaTypeError,
    UploadMetadataError,
    UploadVersionError,
)
from storage.models import Upload
from storage.selectors import UNFINISHED_STATES
from storage.services.receiving import Body

TUS_VERSION = "1.0.0"
TUS_EXTENSIONS = "creation,creation-with-upload,checksum,termination,expiration"
MEDIA_TYPE = "application/offset+octet-stream"
STATUS_PHRASES = {460: "Checksum Mismatch"}
DISCARD_BYTES_MAX = 8 * 1024 * 1024
DISCARD_PIECE_BYTES = 64 * 1024
DISCARD_SECONDS = 5

_NUMBER = re.compile("[0-9]{1,18}")


def check_version(request: Request) -> None:
    """Check that the request speaks this version. Raises UploadVersionError."""
    if request.headers.get("Tus-Resumable") != TUS_VERSION:
        raise UploadVersionError


def read_new_length(request: Request) -> int:
    """Return Upload-Length of a creation.

    Raises UploadMetadataError if names would leak, UploadHeaderError if the length is missing or deferred, or if parts
    are to be put together.
    """
    if "Upload-Metadata" in request.headers:
        raise UploadMetadataError
    if "Upload-Defer-Length" in request.headers:
        raise UploadHeaderError("Upload-Defer-Length is not supported: announce the length.")
    if "Upload-Concat" in request.headers:
        raise UploadHeaderError("Upload-Concat is not supported.")
    return _read_number(request, "Upload-Length")


def read_offset(request: Request) -> int:
    """Return Upload-Offset of a PATCH. Raises UploadHeaderError if it is missing or malformed."""
    return _read_number(request, "Upload-Offset")


def read_body(request: Request) -> Body:
    """Return the request's body, none of it read yet.

    A chunked body has no length; it is taken if the web server marks its end (`wsgi.input_terminated`). Raises
    UploadBodyLengthError if it does not, UploadMediaTypeError if the body is of another type, UploadHeaderError if the
    checksum is malformed.
    """
    if request.headers.get("Content-Type", "").strip().lower() != MEDIA_TYPE:
        raise UploadMediaTypeError
    checksum = _read_checksum(request)
    announced = request.META.get("CONTENT_LENGTH")
    _limit_silence(request)
    if announced:
        # Django REST framework would read the whole body before it read a part of it.
        return Body(open_stream(request.META, request._request.read), int(announced), checksum)  # noqa: SLF001 - as above
    if "Transfer-Encoding" not in request.headers:
        return Body(io.BytesIO(), 0, checksum)
    if not request.META.get("wsgi.input_terminated"):
        raise UploadBodyLengthError
    # Django's own stream ends at Content-Length, and without one it is empty.
    return Body(CopiedStream(request.META["wsgi.input"].read), None, checksum)


@contextmanager
def answering_early(body: Body) -> Iterator[None]:
    """Where the body is refused, read what is on its way before the answer.

    A connection that is closed with bytes unread is reset, and the client may never see why. Clients send pieces of a
    few MiB; who sends more at once is not waited for.
    """
    try:
        yield
    except StorageError:
        deadline, left = time.monotonic() + DISCARD_SECONDS, DISCARD_BYTES_MAX
        with suppress(OSError), memoryview(bytearray(DISCARD_PIECE_BYTES)) as buffer:
            while left > 0 and time.monotonic() < deadline and (count := body.stream.readinto(buffer)):
                left -= count
        raise


def has_body(request: Request) -> bool:
    """Return whether a request brings bytes."""
    return request.META.get("CONTENT_LENGTH") not in {None, "", "0"} or "Transfer-Encoding" in request.headers


def describe_upload(upload: Upload) -> dict[str, str]:
    """Return the headers that tell how far an upload has come."""
    headers = {"Upload-Offset": str(upload.offset)}
    if upload.state in UNFINISHED_STATES:
        headers["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    return headers


def describe_server() -> dict[str, str]:
    """Return the headers that tell what this server supports."""
    return {
        "Tus-Version": TUS_VERSION,
        "Tus-Extension": TUS_EXTENSIONS,
        "Tus-Max-Size": str(settings.CADASTRE_UPLOAD_BYTES_MAX),
        "Tus-Checksum-Algorithm": "sha256",
    }


def _limit_silence(request: Request) -> None:
    """Let the connection break if no byte comes for CADASTRE_UPLOAD_IDLE_SECONDS: until then, the upload is locked.

    A client that lost its network could otherwise not go on before the system gives its old connection up, hours later.
    Gunicorn shows its socket, and sets the time anew for each request; behind a proxy, the proxy has such a limit.
    """
    connection = request.META.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(settings.CADASTRE_UPLOAD_IDLE_SECONDS)


def _read_number(request: Request, name: str) -> int:
    text = request.headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise UploadHeaderError(f"{name} must be a whole number of bytes.")
    return int(text)


def _read_checksum(request: Request) -> bytes | None:
    header = request.headers.get("Upload-Checksum")
    if header is None:
        return None
    algorithm, _, text = header.partition(" ")
    try:
        checksum = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UploadHeaderError("Upload-Checksum must be sha256, a space and the checksum in base64.") from error
    if algorithm != "sha256" or len(checksum) != 32:  # noqa: PLR2004 - the length of a SHA-256
        raise UploadHeaderError("Upload-Checksum must be sha256, a space and the checksum in base64.")
    return checksum
