"""Uploads in parts at an S3-compatible store, and what is done with whole objects inside it."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, BinaryIO

from django.core.files import File

from storage.errors import StoreUploadLostError
from storage.multipart import Beat, PartPlan, PartUrl, StoredObject, StoredPart, plan_parts
from storage.s3_clients import translated_errors
from storage.s3_files import S3File

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

COPY_BYTES = 256 * 1024 * 1024
"""What one request copies inside the store: little enough to be done before the connection times out."""
COPIES_AT_ONCE = 4


class S3Multiparts:
    """Uploads in parts to one bucket. Addresses are signed for `public`, everything else goes through `client`."""

    def __init__(
        self,
        *,
        client: "S3Client",
        public: "S3Client",
        bucket: str,
        part_bytes_min: int,
        parts_max: int,
        url_seconds: int,
        copy_bytes: int = COPY_BYTES,
    ) -> None:
        self._client, self._public, self._bucket, self._copy_bytes = client, public, bucket, copy_bytes
        self.part_bytes_min, self.parts_max, self.url_seconds = part_bytes_min, parts_max, url_seconds

    def begin(self, name: str) -> str:
        """Begin an upload in parts whose SHA-256 the store checks, and return the store's id of it."""
        with translated_errors(name):
            begun = self._client.create_multipart_upload(
                Bucket=self._bucket,
                Key=name,
                ChecksumAlgorithm="SHA256",
                ContentType="application/octet-stream",
            )
        return begun["UploadId"]

    def sign_part(self, name: str, store_id: str, *, number: int, length: int, sha256: bytes) -> PartUrl:
        """Return the address for one part; length and SHA-256 are signed, so the store takes no other bytes."""
        checksum = encode_sha256(sha256)
        url = self._public.generate_presigned_url(
            "upload_part",
            Params={
                "Bucket": self._bucket,
                "Key": name,
                "UploadId": store_id,
                "PartNumber": number,
                "ContentLength": length,
                "ChecksumSHA256": checksum,
            },
            ExpiresIn=self.url_seconds,
        )
        return PartUrl(number, url, {"Content-Length": str(length), "x-amz-checksum-sha256": checksum})

    def list_parts(self, name: str, store_id: str) -> list[StoredPart]:
        """Return the parts that are there, by number. Raises StoreUploadLostError if the upload is not."""
        parts: list[StoredPart] = []
        with translated_errors(name):
            pages = self._client.get_paginator("list_parts")
            for page in pages.paginate(Bucket=self._bucket, Key=name, UploadId=store_id):
                parts += [
                    StoredPart(part["PartNumber"], part["Size"], part["ETag"], _decode(part.get("ChecksumSHA256")))
                    for part in page.get("Parts", [])
                ]
        return sorted(parts, key=lambda part: part.number)

    def finish(self, name: str, store_id: str, parts: Sequence[StoredPart]) -> None:
        """Put exactly these parts together. Raises StoreUploadLostError if they or the upload are not there."""
        with translated_errors(name):
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=name,
                UploadId=store_id,
                MultipartUpload={"Parts": [_describe(part) for part in parts]},
            )

    def find_object(self, name: str) -> StoredObject | None:
        """Return what is under a name."""
        try:
            with translated_errors(name):
                found = self._client.head_object(Bucket=self._bucket, Key=name)
        except FileNotFoundError:
            return None
        return StoredObject(found["ETag"], found["ContentLength"])

    def open_version(self, name: str, found: StoredObject) -> File[bytes]:
        """Open one version of an object; reading raises ObjectChangedError if another one is there."""
        return S3File(self._client, self._bucket, name, found)

    def copy_version(self, source: str, found: StoredObject, target: str, *, beat: Beat) -> None:
        """Copy one version of an object inside the store, unless an equal one is there.

        Raises ObjectChangedError if another one is under the source's name.
        """
        present = self.find_object(target)
        if present is not None and present.length == found.length:
            return
        plan = PartPlan(found.length, self._copy_bytes)
        store_id = self.begin(target)
        try:
            self._copy_parts(source, found, target, store_id, plan, beat)
            self.finish(target, store_id, self.list_parts(target, store_id))
        except BaseException:
            self._abort(target, store_id)
            raise

    def save_stream(self, name: str, stream: BinaryIO, length: int) -> None:
        """Store `length` bytes of a stream in parts, each checked by the store."""
        plan = plan_parts(length, part_bytes_min=self.part_bytes_min, parts_max=self.parts_max)
        store_id = self.begin(name)
        try:
            for number in range(1, plan.count + 1):
                self._save_part(name, store_id, number, stream.read(plan.get_part_length(number)))
            parts = self.list_parts(name, store_id)
            plan.check(parts)
            self.finish(name, store_id, parts)
        except BaseException:
            self._abort(name, store_id)
            raise

    def remove(self, name: str) -> None:
        """Remove an object, and the parts of every upload of this name. Doing it again is harmless."""
        for store_id in list(self._list_uploads(name)):
            self._abort(name, store_id)
        with translated_errors(name):
            self._client.delete_object(Bucket=self._bucket, Key=name)

    def _copy_parts(
        self, source: str, found: StoredObject, target: str, store_id: str, plan: PartPlan, beat: Beat
    ) -> None:
        with ThreadPoolExecutor(COPIES_AT_ONCE) as pool:
            copies = [
                pool.submit(self._copy_part, source, found, target, store_id, plan, number)
                for number in range(1, plan.count + 1)
            ]
            try:
                for copy in as_completed(copies):
                    copy.result()
                    beat()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _copy_part(
        self, source: str, found: StoredObject, target: str, store_id: str, plan: PartPlan, number: int
    ) -> None:
        first = (number - 1) * plan.part_bytes
        with translated_errors(source):
            self._client.upload_part_copy(
                Bucket=self._bucket,
                Key=target,
                UploadId=store_id,
                PartNumber=number,
                CopySource={"Bucket": self._bucket, "Key": source},
                CopySourceIfMatch=found.etag,
                CopySourceRange=f"bytes={first}-{first + plan.get_part_length(number) - 1}",
            )

    def _save_part(self, name: str, store_id: str, number: int, data: bytes) -> None:
        with translated_errors(name):
            self._client.upload_part(
                Bucket=self._bucket,
                Key=name,
                UploadId=store_id,
                PartNumber=number,
                Body=data,
                ChecksumSHA256=encode_sha256(hashlib.sha256(data).digest()),
            )

    def _list_uploads(self, name: str) -> Iterator[str]:
        with translated_errors(name):
            pages = self._client.get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=name):
                yield from (upload["UploadId"] for upload in page.get("Uploads", []) if upload["Key"] == name)

    def _abort(self, name: str, store_id: str) -> None:
        """Give an upload up. That it is not there any more is what was wanted."""
        try:
            with translated_errors(name):
                self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=store_id)
        except (StoreUploadLostError, FileNotFoundError):
            return


def encode_sha256(sha256: bytes) -> str:
    """Return a SHA-256 as S3's headers have it."""
    return base64.b64encode(sha256).decode("ascii")


def _decode(checksum: str | None) -> bytes | None:
    return None if checksum is None else base64.b64decode(checksum)


def _describe(part: StoredPart) -> "CompletedPartTypeDef":
    """Return what names a part; a store that keeps checksums wants them here again."""
    if part.sha256 is None:
        return {"PartNumber": part.number, "ETag": part.etag}
    return {"PartNumber": part.number, "ETag": part.etag, "ChecksumSHA256": encode_sha256(part.sha256)}
