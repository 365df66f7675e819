"""Uploads in parts over the API, with the bytes sent to a real store as a client sends them."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import requests
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from storage.models import Upload
from storage.s3_multiparts import encode_sha256
from storage.tasks import clear_multiparts_task, expire_multiparts_task, verify_multiparts_task
from tests.factories.storage import MANIFEST, digest
from tests.factories.users import make_client, make_user
from tests.storage.sending import CONTENT
from tests.swift import PART_BYTES_MIN, Bucket, find_ports, use_bucket
from users.models import User
from users.scopes import Scope

pytestmark = pytest.mark.django_db
DIGEST = digest(CONTENT)
CLOSING = {
    "sha256": f"sha256:{DIGEST.sha256.hex()}",
    "length": DIGEST.length,
    "root": f"sha256:{DIGEST.root.hex()}",
}


@pytest.fixture
def bob(bucket: Bucket) -> User:
    return make_user("bob")


@pytest.fixture
def client(bob: User) -> Client:
    return make_client(bob)


def post(client: Client, path: str, document: object, **headers: str) -> Any:
    return client.post(f"/api/v1/{path}", document, content_type="application/json", headers=headers)


def begin(client: Client, length: int = len(CONTENT)) -> Any:
    return post(client, "multiparts", {"length": length}, **{"Idempotency-Key": uuid4().hex})


def cut(number: int) -> bytes:
    return CONTENT[(number - 1) * PART_BYTES_MIN : number * PART_BYTES_MIN]


def want(*numbers: int) -> dict[str, Any]:
    parts = [{"number": n, "sha256": f"sha256:{hashlib.sha256(cut(n)).hexdigest()}"} for n in numbers]
    return {"parts": parts}


def send(client: Client, upload_id: str, *numbers: int) -> None:
    signed = post(client, f"multiparts/{upload_id}/parts", want(*numbers)).json()
    with requests.Session() as session:
        session.trust_env = False
        for part in signed["parts"]:
            answer = session.put(part["url"], data=cut(part["number"]), headers=part["headers"], timeout=30)
            assert answer.ok, answer.text


def send_all(client: Client) -> str:
    upload_id: str = begin(client).json()["id"]
    send(client, upload_id, 1, 2, 3)
    return upload_id


def test_a_client_uploads_in_parts_and_makes_a_link(client: Client, bucket: Bucket):
    begun = begin(client)
    document = begun.json()
    assert begun.status_code == 201
    assert document == {
        "id": document["id"],
        "state": "RECEIVING",
        "length": len(CONTENT),
        "part_bytes": PART_BYTES_MIN,
        "parts_count": 3,
        "parts_per_request_max": 100,
        "fault": None,
        "expires_at": document["expires_at"],
    }
    send(client, document["id"], 1, 2, 3)

    closed = post(client, f"multiparts/{document['id']}/close", CLOSING)
    assert (closed.status_code, closed.json()["state"]) == (202, "CLOSED")
    verify_multiparts_task()
    verify_multiparts_task()
    assert client.get(f"/api/v1/multiparts/{document['id']}").json()["state"] == "VERIFIED"
    link = post(
        client,
        "links",
        {
            **CLOSING,
            "upload": document["id"],
            "manifest": encode_sha256(MANIFEST),
            "seal": "00" * 32,
            "price": {"amount_msat": 0},
        },
        **{"Idempotency-Key": "one"},
    )
    assert link.status_code == 201, link.content

    clear_multiparts_task()
    clear_multiparts_task()
    expire_multiparts_task()
    expire_multiparts_task()
    assert bucket.list_names() == [f"{DIGEST.sha256.hex()[:2]}/{DIGEST.sha256.hex()[2:4]}/{DIGEST.sha256.hex()}"]


def test_parts_are_signed_with_their_headers_and_an_end(client: Client):
    upload_id = begin(client).json()["id"]

    answer = post(client, f"multiparts/{upload_id}/parts", want(3))

    [part] = answer.json()["parts"]
    assert answer.status_code == 200
    assert part["headers"] == {
        "Content-Length": str(len(cut(3))),
        "x-amz-checksum-sha256": encode_sha256(hashlib.sha256(cut(3)).digest()),
    }
    assert datetime.fromisoformat(answer.json()["expires_at"]) > datetime.now(UTC)


def test_who_resumes_learns_which_parts_are_there(client: Client):
    upload_id = begin(client).json()["id"]
    send(client, upload_id, 2)

    answer = client.get(f"/api/v1/multiparts/{upload_id}/parts")

    assert answer.json() == {"parts": [{"number": 2, "length": PART_BYTES_MIN, "sha256": None}]}


def test_beginning_twice_with_one_key_makes_one_upload(client: Client):
    first, second = (post(client, "multiparts", {"length": 9}, **{"Idempotency-Key": "k"}) for _ in range(2))

    assert first.json() == second.json()
    assert Upload.objects.count() == 1


def test_what_is_refused_is_a_problem_document_of_its_type(client: Client):
    upload_id = begin(client).json()["id"]
    send(client, upload_id, 1)

    missing = post(client, f"multiparts/{upload_id}/close", CLOSING)
    assert (missing.status_code, missing.json()["code"], missing.json()["parts"]) == (409, "parts-wrong", [2, 3])
    number = post(client, f"multiparts/{upload_id}/parts", {"parts": [{**want(1)["parts"][0], "number": 4}]})
    assert (number.status_code, number.json()["code"]) == (400, "part-number")
    tus = client.patch(
        f"/api/v1/uploads/{upload_id}",
        b"x",
        content_type="application/offset+octet-stream",
        headers={"Tus-Resumable": "1.0.0", "Upload-Offset": "0"},
    )
    assert (tus.status_code, tus.json()["code"]) == (409, "upload-door")
    send(client, upload_id, 2, 3)
    post(client, f"multiparts/{upload_id}/close", CLOSING)
    closed = post(client, f"multiparts/{upload_id}/parts", want(1))
    assert (closed.status_code, closed.json()["code"]) == (409, "multipart-closed")
    busy = client.delete(f"/api/v1/multiparts/{upload_id}")
    assert (busy.status_code, busy.json()["code"]) == (423, "upload-busy")


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [{"number": 0, "sha256": f"sha256:{'00' * 32}"}],
        [{"number": "1", "sha256": f"sha256:{'00' * 32}"}],
        [{"number": 1, "sha256": "00" * 32}],
        [{"number": 1}],
        [{"number": 1, "sha256": f"sha256:{'00' * 32}"}] * 101,
    ],
    ids=["none", "zero", "text", "malformed digest", "no digest", "too many"],
)
def test_malformed_wishes_are_refused(client: Client, parts: list[object]):
    upload_id = begin(client).json()["id"]

    assert post(client, f"multiparts/{upload_id}/parts", {"parts": parts}).status_code == 400


def test_an_upload_can_be_given_up(client: Client, bucket: Bucket):
    upload_id = begin(client).json()["id"]

    assert client.delete(f"/api/v1/multiparts/{upload_id}").status_code == 204
    clear_multiparts_task()

    assert client.delete(f"/api/v1/multiparts/{upload_id}").status_code == 410
    assert client.get(f"/api/v1/multiparts/{upload_id}").json()["state"] == "ABANDONED"
    assert bucket.list_uploads() == []


def test_a_refused_upload_says_why(client: Client):
    upload_id = send_all(client)
    post(client, f"multiparts/{upload_id}/close", {**CLOSING, "sha256": f"sha256:{'00' * 32}"})

    verify_multiparts_task()

    document = client.get(f"/api/v1/multiparts/{upload_id}").json()
    assert (document["state"], document["fault"]) == ("REFUSED", "digest-mismatch")


def test_a_store_that_is_down_is_said_to_be_and_the_client_tries_again(
    client: Client, bucket: Bucket, settings: Settings
):
    upload_id = send_all(client)
    use_bucket(settings, bucket, endpoint_url=f"http://127.0.0.1:{find_ports(1)[0]}", attempts_max=1)

    for answer in (
        begin(client),
        client.get(f"/api/v1/multiparts/{upload_id}/parts"),
        post(client, f"multiparts/{upload_id}/close", CLOSING),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "store-unavailable")
        assert answer.headers["Retry-After"] == "1"

    use_bucket(settings, bucket)
    assert post(client, f"multiparts/{upload_id}/close", CLOSING).status_code == 202


def test_the_server_tells_its_doors(client: Client):
    assert client.options(reverse("api-uploads")).headers["Cadastre-Upload-Doors"] == "tus, multipart"


def test_a_server_without_a_store_offers_tus_alone():
    client = make_client(make_user("bob"))

    assert client.options(reverse("api-uploads")).headers["Cadastre-Upload-Doors"] == "tus"
    refused = begin(client)
    assert (refused.status_code, refused.json()["code"]) == (409, "multipart-not-offered")


def test_strangers_and_weak_tokens_are_refused(client: Client, bob: User):
    upload_id = send_all(client)
    carol = make_client(make_user("carol"))

    for other, status in ((carol, 404), (make_client(), 401), (make_client(bob, scopes=[Scope.PAYMENTS_WRITE]), 403)):
        assert other.get(f"/api/v1/multiparts/{upload_id}").status_code == status
        assert other.delete(f"/api/v1/multiparts/{upload_id}").status_code == status
        assert other.get(f"/api/v1/multiparts/{upload_id}/parts").status_code == status
        assert post(other, f"multiparts/{upload_id}/parts", want(1)).status_code == status
        assert post(other, f"multiparts/{upload_id}/close", CLOSING).status_code == status
    assert begin(make_client()).status_code == 401
