"""Parts at an S3-compatible store, tried on OpenStack Swift: it takes what was signed and nothing else."""

import hashlib
import secrets

import pytest
import requests
from pytest_django import Settings

from storage.errors import ObjectChangedError, StoreUploadLostError
from storage.multipart import MultipartStore, PartUrl, StoredObject, StoredPart, get_multipart_store
from storage.s3_multiparts import encode_sha256
from tests.swift import PART_BYTES_MIN, Bucket, use_bucket

NAME = "uploads/one"
PART = secrets.token_bytes(PART_BYTES_MIN)
OTHER = secrets.token_bytes(PART_BYTES_MIN)
TAIL = b"tail"


@pytest.fixture
def store_of_parts(bucket: Bucket) -> MultipartStore:
    return get_multipart_store()


def nothing() -> None:
    """Say that the work goes on, to nobody."""


def sign(store: MultipartStore, store_id: str, number: int, data: bytes) -> PartUrl:
    sha256 = hashlib.sha256(data).digest()
    return store.sign_part(NAME, store_id, number=number, length=len(data), sha256=sha256)


def put(url: str, data: bytes, headers: dict[str, str]) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.put(url, data=data, headers=headers, timeout=30)


def send(store: MultipartStore, store_id: str, number: int, data: bytes) -> None:
    signed = sign(store, store_id, number, data)
    assert put(signed.url, data, signed.headers).status_code == 200


def make_object(store: MultipartStore, name: str = NAME) -> StoredObject:
    store_id = store.begin(name)
    send(store, store_id, 1, PART)
    send(store, store_id, 2, TAIL)
    store.finish(name, store_id, store.list_parts(name, store_id))
    found = store.find_object(name)
    assert found is not None
    return found


def test_parts_make_an_object(bucket: Bucket, store_of_parts: MultipartStore):
    assert store_of_parts.find_object(NAME) is None

    found = make_object(store_of_parts)

    assert found.length == len(PART + TAIL)
    with store_of_parts.open_version(NAME, found) as stream:
        assert stream.read() == PART + TAIL
    assert bucket.list_uploads() == []


def test_parts_are_listed_with_their_lengths(store_of_parts: MultipartStore):
    store_id = store_of_parts.begin(NAME)
    send(store_of_parts, store_id, 2, TAIL)
    send(store_of_parts, store_id, 1, PART)

    parts = store_of_parts.list_parts(NAME, store_id)

    assert [(part.number, part.length) for part in parts] == [(1, len(PART)), (2, len(TAIL))]


def test_a_part_with_another_body_is_refused(store_of_parts: MultipartStore):
    store_id = store_of_parts.begin(NAME)
    signed = sign(store_of_parts, store_id, 1, PART)

    refused = put(signed.url, OTHER, signed.headers)

    assert (refused.status_code, "BadDigest" in refused.text) == (400, True)
    assert store_of_parts.list_parts(NAME, store_id) == []


@pytest.mark.parametrize(
    ("body", "checksum_of"),
    [(OTHER, OTHER), (OTHER, None), (PART, None), (PART + b"x", PART), (PART[:-1], PART), (b"", PART)],
    ids=["its own checksum", "no checksum", "the body alone", "longer", "shorter", "empty"],
)
def test_what_was_signed_cannot_be_changed(store_of_parts: MultipartStore, body: bytes, checksum_of: bytes | None):
    store_id = store_of_parts.begin(NAME)
    signed = sign(store_of_parts, store_id, 1, PART)
    checksum = (
        {} if checksum_of is None else {"x-amz-checksum-sha256": encode_sha256(hashlib.sha256(checksum_of).digest())}
    )

    refused = put(signed.url, body, checksum)

    assert (refused.status_code, "SignatureDoesNotMatch" in refused.text) == (403, True)
    assert store_of_parts.list_parts(NAME, store_id) == []


def test_an_address_is_for_one_part_of_one_upload(store_of_parts: MultipartStore):
    store_id, other_id = store_of_parts.begin(NAME), store_of_parts.begin("uploads/two")
    signed = sign(store_of_parts, store_id, 1, PART)

    for url in (
        signed.url.replace("partNumber=1", "partNumber=2"),
        signed.url.replace(store_id, other_id),
        signed.url.replace(NAME, "uploads/two"),
    ):
        assert put(url, PART, signed.headers).status_code == 403
    assert store_of_parts.list_parts(NAME, store_id) == []


def test_nobody_can_prolong_an_address(bucket: Bucket, settings: Settings):
    use_bucket(settings, bucket, part_url_seconds=77)
    store = get_multipart_store()
    signed = sign(store, store.begin(NAME), 1, PART)

    longer = signed.url.replace("X-Amz-Expires=77&", "X-Amz-Expires=7777&")

    assert longer != signed.url
    assert put(longer, PART, signed.headers).status_code == 403


def test_parts_that_changed_after_they_were_listed_make_no_object(store_of_parts: MultipartStore):
    store_id = store_of_parts.begin(NAME)
    send(store_of_parts, store_id, 1, PART)
    listed = store_of_parts.list_parts(NAME, store_id)
    send(store_of_parts, store_id, 1, OTHER)

    with pytest.raises(StoreUploadLostError):
        store_of_parts.finish(NAME, store_id, listed)
    assert store_of_parts.find_object(NAME) is None


def test_an_unknown_upload_is_lost(store_of_parts: MultipartStore):
    with pytest.raises(StoreUploadLostError):
        store_of_parts.list_parts(NAME, "unknown")
    with pytest.raises(StoreUploadLostError):
        store_of_parts.finish(NAME, "unknown", [StoredPart(1, 1, '"0"')])


@pytest.mark.parametrize("copy_bytes", [PART_BYTES_MIN, 2**30])
def test_a_copy_is_whole_and_outlives_its_source(bucket: Bucket, settings: Settings, copy_bytes: int):
    use_bucket(settings, bucket, copy_bytes=copy_bytes)
    store = get_multipart_store()
    beats: list[None] = []

    store.copy_version(NAME, make_object(store), "target", beat=lambda: beats.append(None))
    store.remove(NAME)

    found = store.find_object("target")
    assert found is not None
    with store.open_version("target", found) as stream:
        assert stream.read() == PART + TAIL
    assert bucket.list_names() == ["target"]
    assert len(beats) == (2 if copy_bytes == PART_BYTES_MIN else 1)


def test_what_is_there_is_not_copied_again(bucket: Bucket, store_of_parts: MultipartStore):
    found = make_object(store_of_parts)
    bucket.get_client().put_object(Bucket=bucket.name, Key="target", Body=bytes(found.length))

    store_of_parts.copy_version(NAME, found, "target", beat=nothing)

    assert bucket.get_client().get_object(Bucket=bucket.name, Key="target")["Body"].read() == bytes(found.length)


def test_another_version_is_not_copied(bucket: Bucket, store_of_parts: MultipartStore):
    found = make_object(store_of_parts)
    bucket.get_client().put_object(Bucket=bucket.name, Key=NAME, Body=bytes(found.length))

    with pytest.raises(ObjectChangedError):
        store_of_parts.copy_version(NAME, found, "target", beat=nothing)

    assert store_of_parts.find_object("target") is None
    assert bucket.list_uploads() == []


def test_removing_takes_the_object_and_open_parts_and_nothing_else(bucket: Bucket, store_of_parts: MultipartStore):
    make_object(store_of_parts)
    for name in (NAME, NAME, f"{NAME}-and-more"):
        store_of_parts.begin(name)

    store_of_parts.remove(NAME)
    store_of_parts.remove(NAME)

    assert bucket.list_names() == []
    assert bucket.list_uploads() == [f"{NAME}-and-more"]


def test_an_upload_that_somebody_else_gave_up_is_no_error(bucket: Bucket, store_of_parts: MultipartStore):
    class GivenUpMeanwhile(type(store_of_parts)):  # type: ignore[misc]  # the class that is chosen by settings
        """Lists an upload that is gone by then."""

        def _list_uploads(self, name: str) -> list[str]:
            return [f"{name} is gone"]

    store_of_parts.__class__ = GivenUpMeanwhile
    store_of_parts.remove(NAME)


def test_a_store_that_tells_checksums_gets_them_back(store_of_parts: MultipartStore):
    from storage.s3_multiparts import _decode, _describe

    sha256 = hashlib.sha256(PART).digest()

    assert _decode(encode_sha256(sha256)) == sha256
    assert _describe(StoredPart(1, 1, "etag", sha256))["ChecksumSHA256"] == encode_sha256(sha256)
