"""Reads an object of an S3-compatible store as a file: seekable, streamed, never held whole."""

from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError
from django.core.files import File

from storage.errors import StoreUnavailableError
from storage.multipart import StoredObject
from storage.s3_clients import translated_errors

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

RECONNECTIONS_MAX = 3
"""How often in a row a stream that breaks is begun again where it broke, without a byte in between."""


class S3File(File[bytes]):
    """One version of an object. Reading begins with the first `read`, and after a `seek` anew."""

    def __init__(self, client: "S3Client", bucket: str, name: str, found: StoredObject) -> None:
        super().__init__(None, name)
        self._client, self._bucket, self._key, self._found = client, bucket, name, found
        self._position = 0
        self._body: StreamingBody | None = None

    @property
    def size(self) -> int:
        """How many bytes the object has."""
        return self._found.length

    @property
    def closed(self) -> bool:
        """Whether no connection is open."""
        return self._body is None

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset from the start."""
        assert whence == 0, "objects are read from offsets"
        if offset != self._position:
            self.close()
        self._position = offset
        return offset

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes, fewer only at the end.

        A connection that breaks is made again. Raises StoreUnavailableError, ObjectChangedError, FileNotFoundError.
        """
        left = self.size - self._position
        wanted = left if size < 0 else min(size, left)
        parts: list[bytes] = []
        failures = 0
        while wanted > 0:
            try:
                part = self._read_some(wanted)
            except StoreUnavailableError:
                self.close()
                failures += 1
                if failures > RECONNECTIONS_MAX:
                    raise
                continue
            failures = 0
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close the connection; a later `read` makes a new one."""
        body, self._body = self._body, None
        if body is not None:
            with suppress(BotoCoreError, OSError):
                body.close()

    def _read_some(self, wanted: int) -> bytes:
        with translated_errors(self._key):
            if self._body is None:
                self._body = self._client.get_object(
                    Bucket=self._bucket,
                    Key=self._key,
                    IfMatch=self._found.etag,
                    Range=f"bytes={self._position}-",
                )["Body"]
            part = self._body.read(wanted)
        if not part:
            raise StoreUnavailableError("The store ended the object early.")
        self._position += len(part)
        return part
