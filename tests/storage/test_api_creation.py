"""Uploads that begin with their bytes, and what a person keeps, over HTTP."""

import base64
import hashlib

import pytest
from django.test import Client
from pytest_django import Settings

from storage.models import Link, Upload
from storage.partials import get_partial_path
from tests.factories.storage import CONTENT, make_link
from tests.factories.users import make_client, make_user
from tests.storage.test_api_views import MEDIA_TYPE, TUS, create, make_request, patch, post_link
from users.models import User

ADDRESS = "/api/v1/uploads"

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def client(bob: User) -> Client:
    return make_client(bob)


def create_with(client: Client, data: bytes, **headers: str):
    content_type = headers.pop("content_type", MEDIA_TYPE)
    sent = {**TUS, "Upload-Length": str(len(CONTENT)), **headers}
    return client.post(ADDRESS, data, content_type=content_type, headers=sent)


def test_an_upload_may_begin_with_all_of_its_bytes(client: Client):
    created = create_with(client, CONTENT)
    made = post_link(client, make_request(created.headers["Location"].rpartition("/")[2]))

    assert (created.status_code, created.headers["Upload-Offset"]) == (201, "10")
    assert created.headers["Upload-Expires"].endswith("GMT")
    assert made.status_code == 201
    assert Link.objects.count() == 1


def test_an_upload_may_begin_with_its_first_bytes(client: Client):
    checksum = base64.b64encode(hashlib.sha256(CONTENT[:4]).digest()).decode()

    created = create_with(client, CONTENT[:4], **{"Upload-Checksum": f"sha256 {checksum}"})
    rest = patch(client, created.headers["Location"], 4, CONTENT[4:])

    assert (created.headers["Upload-Offset"], rest.headers["Upload-Offset"]) == ("4", "10")
    assert Upload.objects.get().state == Upload.State.RECEIVED


@pytest.mark.parametrize(
    ("data", "extra", "status", "code"),
    [
        (CONTENT + b"x", {}, 413, "upload-overflow"),
        (CONTENT, {"Upload-Checksum": "sha256 " + base64.b64encode(bytes(32)).decode()}, 460, "upload-checksum"),
        (CONTENT, {"Upload-Checksum": "sha256"}, 400, "upload-header"),
        (CONTENT, {"content_type": "application/octet-stream"}, 415, "upload-media-type"),
        (CONTENT, {"Upload-Metadata": "filename ZGlhcnk="}, 400, "upload-metadata"),
    ],
)
def test_an_upload_whose_first_bytes_are_refused_leaves_nothing(
    client: Client, data: bytes, extra: dict[str, str], status: int, code: str
):
    answer = create_with(client, data, **extra)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert {upload.state for upload in Upload.objects.all()} <= {Upload.State.TERMINATED}
    for upload in Upload.objects.all():
        assert not get_partial_path(upload.id).exists()


def test_shows_what_a_person_keeps(client: Client, bob: User, settings: Settings):
    settings.CADASTRE_STORAGE_QUOTA_BYTES = 100
    make_link(bob)
    create(client, 30)

    assert client.get("/api/v1/account/storage").json() == {
        "used_bytes": 40,
        "quota_bytes": 100,
        "uploads_unfinished": 1,
        "uploads_unfinished_max": 100,
    }


def test_carol_sees_what_she_keeps_herself(client: Client):
    create(client, 30)

    answer = make_client(make_user("carol")).get("/api/v1/account/storage").json()

    assert (answer["used_bytes"], answer["uploads_unfinished"]) == (0, 0)


def test_refuses_what_exceeds_the_quota(client: Client, settings: Settings):
    settings.CADASTRE_STORAGE_QUOTA_BYTES = 100

    answer = create(client, 101)

    assert (answer.status_code, answer.json()["code"]) == (413, "quota-exceeded")
    assert not Upload.objects.exists()
