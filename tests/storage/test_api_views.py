"""Uploads and links over HTTP."""

import base64
import hashlib
import uuid
from datetime import UTC, datetime

import pytest
from django.test import Client

from storage.models import Link, Upload
from storage.partials import get_partial_path
from tests.factories.storage import CONTENT, MANIFEST, digest, make_link, make_upload
from tests.factories.users import make_client, make_user
from users.models import User
from users.scopes import ALL_SCOPES, Scope

TUS = {"Tus-Resumable": "1.0.0"}
MEDIA_TYPE = "application/offset+octet-stream"

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def client(bob: User) -> Client:
    return make_client(bob)


def make_fresh_upload(owner: User, received: int) -> Upload:
    return make_upload(owner, received=received, now=datetime.now(UTC))


def create(client: Client, length: object = len(CONTENT), **headers: str):
    return client.generic("POST", "/api/v1/uploads", headers={**TUS, "Upload-Length": str(length), **headers})


def patch(client: Client, address: str, offset: object, data: bytes, *, content_type: str = MEDIA_TYPE, **headers: str):
    sent = {**TUS, "Upload-Offset": str(offset), **headers}
    return client.patch(address, data, content_type=content_type, headers=sent)


def make_request(upload: str, /, **changes: object) -> dict[str, object]:
    found = digest(CONTENT)
    return {
        "upload": upload,
        "sha256": f"sha256:{found.sha256.hex()}",
        "length": found.length,
        "root": f"sha256:{found.root.hex()}",
        "manifest": base64.b64encode(MANIFEST).decode(),
        "seal": "00" * 32,
        "price": {"amount_msat": 1000},
        **changes,
    }


def post_link(client: Client, document: dict[str, object], key: str = "k"):
    return client.post("/api/v1/links", document, content_type="application/json", headers={"Idempotency-Key": key})


def test_uploads_in_two_requests_and_makes_a_link(client: Client):
    created = create(client)
    address = created.headers["Location"]
    half = patch(client, address, 0, CONTENT[:4])
    head = client.head(address, headers=TUS)
    whole = patch(client, address, 4, CONTENT[4:])
    made = post_link(client, make_request(address.rpartition("/")[2]))

    assert (created.status_code, half.status_code, head.status_code, whole.status_code) == (201, 204, 200, 204)
    assert address.startswith("/api/v1/uploads/")
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("4", "10")
    assert head.headers["Cache-Control"] == "no-store"
    assert whole.headers["Upload-Offset"] == "10"
    for answer in (created, half, head, whole):
        assert answer.headers["Tus-Resumable"] == "1.0.0"
        assert answer.headers["Upload-Expires"].endswith("GMT")
    link, found = Link.objects.get(), digest(CONTENT)
    assert made.status_code == 201
    assert made.json() == {
        "id": str(link.id),
        "url": f"http://127.0.0.1:8000/f/{link.id}",
        "length": 10,
        "sha256": f"sha256:{found.sha256.hex()}",
        "root": f"sha256:{found.root.hex()}",
        "seal": "00" * 32,
        "price": {"amount_msat": 1000},
        "record": None,
        "payees": [],
        "created_at": made.json()["created_at"],
        "expires_at": None,
        "transfers_max": None,
        "transfers_left": None,
        "state": "open",
    }
    assert made.json()["created_at"].endswith("Z")


def test_a_completed_upload_still_tells_its_offset(client: Client):
    address = create(client).headers["Location"]
    patch(client, address, 0, CONTENT)
    post_link(client, make_request(address.rpartition("/")[2]))

    head = client.head(address, headers=TUS)

    assert (head.status_code, head.headers["Upload-Offset"]) == (200, "10")
    assert "Upload-Expires" not in head.headers


def test_everybody_may_ask_what_the_server_supports():
    answer = Client().options("/api/v1/uploads")

    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,checksum,termination,expiration"
    assert answer.headers["Tus-Max-Size"] == str(64 * 2**30)
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256"


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upload-Metadata": "filename ZGlhcnk="}, 400, "upload-metadata"),
        ({"Upload-Length": "0"}, 400, "empty-blob"),
        ({"Upload-Length": "-1"}, 400, "upload-header"),
        ({"Upload-Length": "ten"}, 400, "upload-header"),
        ({"Upload-Length": "1" * 5000}, 400, "upload-header"),
        ({"Upload-Length": ""}, 400, "upload-header"),
        ({"Upload-Length": str(64 * 2**30 + 1)}, 413, "upload-too-large"),
        ({"Upload-Defer-Length": "1"}, 400, "upload-header"),
        ({"Upload-Concat": "partial"}, 400, "upload-header"),
        ({"Tus-Resumable": "0.2.2"}, 412, "upload-version"),
        ({"Tus-Resumable": ""}, 412, "upload-version"),
    ],
)
def test_refuses_to_begin_a_bad_upload(client: Client, headers: dict[str, str], status: int, code: str):
    answer = create(client, **headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert ("Tus-Version" in answer.headers) == (status == 412)
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("offset", "data", "extra", "status", "code"),
    [
        (0, b"x", {}, 409, "upload-offset"),
        (5, b"x", {}, 409, "upload-offset"),
        ("", b"x", {}, 400, "upload-header"),
        ("4.0", b"x", {}, 400, "upload-header"),
        (4, CONTENT, {}, 413, "upload-overflow"),
        (4, b"x", {"content_type": "application/octet-stream"}, 415, "upload-media-type"),
        (4, b"x", {"Upload-Checksum": "sha256 " + base64.b64encode(bytes(32)).decode()}, 460, "upload-checksum"),
        (4, b"x", {"Upload-Checksum": "sha256"}, 400, "upload-header"),
        (4, b"x", {"Upload-Checksum": "sha256 !"}, 400, "upload-header"),
        (4, b"x", {"Upload-Checksum": "sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, 400, "upload-header"),
        (4, b"x", {"Tus-Resumable": "2.0.0"}, 412, "upload-version"),
    ],
)
def test_refuses_bad_bytes_and_keeps_none(
    client: Client, bob: User, offset: object, data: bytes, extra: dict[str, str], status: int, code: str
):
    upload = make_fresh_upload(bob, 4)

    answer = patch(client, f"/api/v1/uploads/{upload.id}", offset, data, **extra)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers.get("Upload-Offset") == ("4" if status == 409 else None)
    upload.refresh_from_db()
    assert upload.offset == 4
    assert get_partial_path(upload.id).read_bytes()[:4] == CONTENT[:4]


def test_a_mismatched_checksum_has_its_own_phrase(client: Client, bob: User):
    upload = make_fresh_upload(bob, 4)
    wrong = base64.b64encode(bytes(32)).decode()

    answer = patch(client, f"/api/v1/uploads/{upload.id}", 4, b"x", **{"Upload-Checksum": f"sha256 {wrong}"})

    assert answer.reason_phrase == "Checksum Mismatch"


def test_takes_bytes_with_the_right_checksum(client: Client, bob: User):
    upload = make_fresh_upload(bob, 4)
    right = base64.b64encode(hashlib.sha256(CONTENT[4:]).digest()).decode()

    answer = patch(client, f"/api/v1/uploads/{upload.id}", 4, CONTENT[4:], **{"Upload-Checksum": f"sha256 {right}"})

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, "10")


def test_a_chunked_body_needs_a_server_that_marks_its_end(client: Client, bob: User):
    upload = make_fresh_upload(bob, 4)
    environment = {
        "REQUEST_METHOD": "PATCH",
        "PATH_INFO": f"/api/v1/uploads/{upload.id}",
        "CONTENT_TYPE": MEDIA_TYPE,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_TUS_RESUMABLE": "1.0.0",
        "HTTP_UPLOAD_OFFSET": "4",
    }

    answer = client.request(**environment)

    assert (answer.status_code, answer.json()["code"]) == (411, "upload-body-length")


def test_an_old_upload_is_gone(client: Client, bob: User):
    upload = make_upload(bob, received=4)
    Upload.objects.update(expires_at=datetime.now(UTC))

    patched = patch(client, f"/api/v1/uploads/{upload.id}", 4, b"x")

    assert (patched.status_code, patched.json()["code"]) == (410, "upload-expired")
    assert client.head(f"/api/v1/uploads/{upload.id}", headers=TUS).status_code == 410


def test_terminates_an_upload(client: Client, bob: User):
    upload = make_fresh_upload(bob, 4)
    address = f"/api/v1/uploads/{upload.id}"

    assert client.delete(address, headers=TUS).status_code == 204
    assert client.head(address, headers=TUS).status_code == 410
    assert client.delete(address, headers=TUS).json()["code"] == "upload-gone"


def test_a_client_that_cannot_send_patch_may_post_it(client: Client, bob: User):
    address = f"/api/v1/uploads/{make_fresh_upload(bob, 4).id}"
    headers = {**TUS, "Upload-Offset": "4", "X-HTTP-Method-Override": "PATCH"}

    patched = client.post(address, CONTENT[4:6], content_type=MEDIA_TYPE, headers=headers)
    deleted = client.post(address, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})

    assert (patched.status_code, patched.headers["Upload-Offset"]) == (204, "6")
    assert deleted.status_code == 204
    assert client.post(address, headers=TUS).status_code == 405


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"sha256": "sha256:" + "00" * 32}, 422, "digest-mismatch"),
        ({"root": "sha256:" + "00" * 32}, 422, "digest-mismatch"),
        ({"length": 9}, 422, "digest-mismatch"),
        ({"length": 0}, 400, "invalid-input"),
        ({"length": True}, 400, "invalid-input"),
        ({"sha256": "00" * 32}, 400, "invalid-input"),
        ({"seal": "00"}, 400, "invalid-input"),
        ({"manifest": "?"}, 400, "invalid-input"),
        ({"manifest": base64.b64encode(b"names").decode()}, 422, "manifest-not-encrypted"),
        ({"manifest": base64.b64encode(MANIFEST + bytes(2**20)).decode()}, 413, "manifest-too-large"),
        ({"price": {"amount_msat": -1}}, 400, "invalid-input"),
        ({"price": {"amount_msat": "1"}}, 400, "invalid-input"),
        ({"price": 1}, 400, "invalid-input"),
        ({"upload": str(uuid.uuid4())}, 404, "upload-not-found"),
    ],
)
def test_refuses_a_bad_link(client: Client, bob: User, changes: dict[str, object], status: int, code: str):
    upload = make_fresh_upload(bob, len(CONTENT))

    answer = post_link(client, make_request(str(upload.id), **changes))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Link.objects.exists()


def test_an_unfinished_upload_becomes_no_link(client: Client, bob: User):
    answer = post_link(client, make_request(str(make_fresh_upload(bob, 4).id)))

    assert (answer.status_code, answer.json()["code"]) == (409, "upload-unfinished")


def test_a_repeated_request_for_a_link_makes_one(client: Client, bob: User):
    document = make_request(str(make_fresh_upload(bob, len(CONTENT)).id))

    answers = [post_link(client, document, key) for key in ("k", "k", "another")]

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_an_upload_becomes_one_link_only(client: Client, bob: User):
    upload = make_fresh_upload(bob, len(CONTENT))
    post_link(client, make_request(str(upload.id)))

    answer = post_link(client, make_request(str(upload.id), price={"amount_msat": 2}), "another")

    assert (answer.status_code, answer.json()["code"]) == (409, "upload-completed")


def test_a_link_needs_an_idempotency_key(client: Client):
    answer = client.post("/api/v1/links", {}, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")


def test_lists_the_own_links(client: Client, bob: User):
    link = make_link(bob)
    make_link(make_user("alice"), blob=link.blob)

    answer = client.get("/api/v1/links").json()

    assert [row["id"] for row in answer["results"]] == [str(link.id)]
    assert (answer["next"], answer["previous"]) == (None, None)


def test_everybody_may_get_the_encrypted_manifest(bob: User):
    link = make_link(bob)

    answer = Client().get(f"/api/v1/links/{link.id}/manifest")
    missing = Client().get(f"/api/v1/links/{uuid.uuid4()}/manifest")

    assert answer.content == MANIFEST
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert (missing.status_code, missing.json()["code"]) == (404, "link-not-found")


def test_carol_gets_no_hold_of_bobs_upload_nor_sees_his_links(bob: User):
    upload, carol = make_fresh_upload(bob, len(CONTENT)), make_client(make_user("carol"))
    link = make_link(bob)
    address = f"/api/v1/uploads/{upload.id}"

    answers = [
        carol.head(address, headers=TUS),
        patch(carol, address, len(CONTENT), b"x"),
        carol.delete(address, headers=TUS),
        post_link(carol, make_request(str(upload.id))),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert carol.get("/api/v1/links").json()["results"] == []
    assert Link.objects.get() == link
    upload.refresh_from_db()
    assert upload.state == Upload.State.RECEIVED


@pytest.mark.parametrize("sender", ["nobody", "another scope"])
def test_writing_takes_the_scope(bob: User, sender: str):
    others = [scope for scope in ALL_SCOPES if scope != Scope.STORAGE_WRITE]
    client = Client() if sender == "nobody" else make_client(bob, scopes=others)
    upload = make_fresh_upload(bob, 4)
    address = f"/api/v1/uploads/{upload.id}"

    answers = [
        create(client),
        client.head(address, headers=TUS),
        patch(client, address, 4, b"x"),
        client.delete(address, headers=TUS),
        client.get("/api/v1/links"),
        client.get("/api/v1/account/storage"),
        post_link(client, make_request(str(upload.id))),
    ]

    assert [answer.status_code for answer in answers] == [401 if sender == "nobody" else 403] * 7
    upload.refresh_from_db()
    assert upload.offset == 4
