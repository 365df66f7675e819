"""Connections to an S3-compatible store, and its errors as ours."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as StoreConnectionError

from storage.errors import ObjectChangedError, StoreUnavailableError, StoreUploadLostError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Addressing = Literal["auto", "virtual", "path"]

# One session reads the description of the interface once; threads may share clients, but not the making of them.
_session = boto3.session.Session()
_making_clients = threading.Lock()

_LOST_CODES = {"NoSuchUpload", "InvalidPart", "InvalidPartOrder"}
_BUSY_CODES = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "OperationAborted"}
_CHANGED_STATUSES = {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """Which bucket, where, and by whose keys. An empty endpoint is Amazon's; `addressing` is path, virtual or auto."""

    bucket: str
    endpoint_url: str = ""
    public_url: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = ""
    addressing: Addressing = "auto"
    connect_timeout_seconds: int = 5
    read_timeout_seconds: int = 60
    attempts_max: int = 3


def make_client(options: S3Options, *, endpoint_url: str) -> "S3Client":
    """Return a client for an endpoint; threads may share it. It connects when it is used."""
    config = Config(
        signature_version="s3v4",
        connect_timeout=options.connect_timeout_seconds,
        read_timeout=options.read_timeout_seconds,
        retries={"total_max_attempts": options.attempts_max, "mode": "standard"},
        # Checksums that we compute are SHA-256; the library's own CRC32 is refused by some stores.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": options.addressing},
    )
    with _making_clients:
        return _session.client(
            "s3",
            endpoint_url=endpoint_url or None,
            region_name=options.region,
            aws_access_key_id=options.access_key or None,
            aws_secret_access_key=options.secret_key or None,
            config=config,
        )


@contextmanager
def translated_errors(name: str) -> Iterator[None]:
    """Raise our errors in the place of the library's.

    Raises FileNotFoundError if there is no object of this name, StoreUploadLostError if there is no such upload or
    part, ObjectChangedError if a condition does not hold, StoreUnavailableError if the store cannot answer now. A
    refusal of the keys or the bucket is the operator's mistake and stays as it is.
    """
    try:
        yield
    except (StoreConnectionError, HTTPClientError, IncompleteReadError, OSError) as error:
        raise StoreUnavailableError from error
    except ClientError as error:
        raise _translate(error, name) from error


def _translate(error: ClientError, name: str) -> Exception:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _LOST_CODES:
        return StoreUploadLostError()
    if code in _BUSY_CODES or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        return StoreUnavailableError()
    if status in _CHANGED_STATUSES:
        return ObjectChangedError()
    return FileNotFoundError(name) if code in {"404", "NoSuchKey"} else error
