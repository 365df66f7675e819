"""Reads and writes the headers of tus 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import binascii
import re
from typing import cast

from django.conf import settings
from django.utils.http import http_date
from rest_framework.request import Request

from storage.errors import (
    UploadBodyLengthError,
    UploadHeaderError,
    UploadMediaTypeError,
    UploadMetadataError,
    UploadVersionError,
)
from storage.models import Upload
from storage.selectors import UNFINISHED_STATES
from storage.services.uploads import Body, Stream

TUS_VERSION = "1.0.0"
TUS_EXTENSIONS = "creation,checksum,termination,expiration"
MEDIA_TYPE = "application/offset+octet-stream"
STATUS_PHRASES = {460: "Checksum Mismatch"}

_NUMBER = re.compile("[0-9]{1,18}")


def check_version(request: Request) -> None:
    """Check that the request speaks this version. Raises UploadVersionError."""
    if request.headers.get("Tus-Resumable") != TUS_VERSION:
        raise UploadVersionError


def read_new_length(request: Request) -> int:
    """Return Upload-Length of a creation.

    Raises UploadMetadataError if names would leak, UploadHeaderError if the length is missing or deferred, or if the
    request carries bytes, which this server takes by PATCH alone.
    """
    if "Upload-Metadata" in request.headers:
        raise UploadMetadataError
    if "Upload-Defer-Length" in request.headers:
        raise UploadHeaderError("Upload-Defer-Length is not supported: announce the length.")
    if "Upload-Concat" in request.headers:
        raise UploadHeaderError("Upload-Concat is not supported.")
    if read_body(request).length != 0:
        raise UploadHeaderError("Bytes are not accepted when an upload is created: send them by PATCH.")
    return _read_number(request, "Upload-Length")


def read_offset(request: Request) -> int:
    """Return Upload-Offset of a PATCH.

    Raises UploadMediaTypeError if the body is of another type, UploadHeaderError if the offset is missing or malformed.
    """
    if request.headers.get("Content-Type", "").strip().lower() != MEDIA_TYPE:
        raise UploadMediaTypeError
    return _read_number(request, "Upload-Offset")


def read_body(request: Request) -> Body:
    """Return the request's body, none of it read yet.

    A chunked body has no length; it is taken if the web server marks its end (`wsgi.input_terminated`). Raises
    UploadBodyLengthError if it does not, UploadHeaderError if the checksum is malformed.
    """
    checksum = _read_checksum(request)
    announced = request.META.get("CONTENT_LENGTH")
    if announced:
        return Body(cast("Stream", request._request), int(announced), checksum)  # noqa: SLF001 - DRF has no public name for it
    if "Transfer-Encoding" not in request.headers:
        return Body(cast("Stream", request._request), 0, checksum)  # noqa: SLF001
    if not request.META.get("wsgi.input_terminated"):
        raise UploadBodyLengthError
    # Django's own stream ends at Content-Length, and without one it is empty.
    return Body(cast("Stream", request.META["wsgi.input"]), None, checksum)


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
