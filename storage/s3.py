"""Blobs in an S3-compatible store: read in streams, written under their exact names, delivered by signed addresses."""

from typing import Any, BinaryIO, cast

from django.core.files import File
from django.core.files.storage import Storage
from django.utils.deconstruct import deconstructible

from storage.errors import ObjectChangedError
from storage.s3_clients import S3Options, make_client, translated_errors
from storage.s3_multiparts import COPY_BYTES, S3Multiparts, encode_sha256

SINGLE_BYTES_MAX = 64 * 1024 * 1024
"""Up to this length an object is stored by one request."""


@deconstructible
class S3Storage(Storage):
    """Objects of one bucket, named by their content: an object is there whole, or not at all, and is never replaced."""

    def __init__(
        self,
        *,
        delivery_seconds: int = 60,
        part_url_seconds: int = 900,
        part_bytes_min: int = 16 * 1024 * 1024,
        parts_max: int = 10_000,
        copy_bytes: int = COPY_BYTES,
        single_bytes_max: int = SINGLE_BYTES_MAX,
        **options: Any,
    ) -> None:
        settings = S3Options(**options)
        self._bucket = settings.bucket
        self._delivery_seconds = delivery_seconds
        self._single_bytes_max = single_bytes_max
        self._client = make_client(settings, endpoint_url=settings.endpoint_url)
        self._public = make_client(settings, endpoint_url=settings.public_url or settings.endpoint_url)
        self.multiparts = S3Multiparts(
            client=self._client,
            public=self._public,
            bucket=self._bucket,
            part_bytes_min=part_bytes_min,
            parts_max=parts_max,
            url_seconds=part_url_seconds,
            copy_bytes=copy_bytes,
        )

    def find_hand_over(self, name: str, range_header: str | None) -> tuple[int, dict[str, str]]:
        """Return the status and headers that send a reader to the store, for as long as it takes to begin a request.

        307 keeps the method and lets the reader send its Range again, which is signed: the address serves no other one.
        """
        wanted: dict[str, Any] = {} if range_header is None else {"Range": range_header.strip()}
        url = self._public.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": name,
                "ResponseContentDisposition": "attachment",
                "ResponseContentType": "application/octet-stream",
                "ResponseCacheControl": "private, no-transform",
                **wanted,
            },
            ExpiresIn=self._delivery_seconds,
        )
        return 307, {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

    def get_available_name(self, name: str, max_length: int | None = None) -> str:  # noqa: ARG002 - Django's hook
        """Return the name itself: equal names mean equal contents."""
        return name

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        return self.multiparts.find_object(name) is not None

    def size(self, name: str) -> int:
        """Return an object's length in bytes. Raises FileNotFoundError."""
        found = self.multiparts.find_object(name)
        if found is None:
            raise FileNotFoundError(name)
        return found.length

    def delete(self, name: str) -> None:
        """Remove an object, and what an interrupted copy of it left. Doing it again is harmless."""
        self.multiparts.remove(name)

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Open an object for reading. Raises FileNotFoundError."""
        assert mode == "rb", "objects are only read"
        found = self.multiparts.find_object(name)
        if found is None:
            raise FileNotFoundError(name)
        return self.multiparts.open_version(name, found)

    def _save(self, name: str, content: File[bytes]) -> str:
        """Put the content under its name, unless it is there: nothing is ever replaced."""
        present = self.multiparts.find_object(name)
        if present is not None and present.length == content.size:
            return name
        stream = cast("BinaryIO", content)
        stream.seek(0)
        if content.size > self._single_bytes_max:
            self.multiparts.save_stream(name, stream, content.size)
            return name
        try:
            with translated_errors(name):
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=name,
                    Body=stream,
                    ContentLength=content.size,
                    ContentType="application/octet-stream",
                    # The last part of a blob's name is its SHA-256: the store compares it with what arrives.
                    ChecksumSHA256=encode_sha256(bytes.fromhex(name.rpartition("/")[2])),
                    IfNoneMatch="*",
                )
        except ObjectChangedError:
            # An equal upload was faster.
            return name
        return name
