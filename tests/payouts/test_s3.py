"""Delivery from a real store: charged by the application, then the reader is sent to the store."""

from pathlib import Path

import pytest
import requests
from django.core.files.storage import storages
from django.test import Client
from pytest_django import Settings

from payouts.models import Entitlement, Microtransaction, OpenTransfer
from registry.services.records import register_blob
from storage.models import Link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat
from tests.factories.storage import make_blob
from tests.factories.users import make_client, make_user
from tests.swift import Bucket, find_ports, use_bucket
from users.models import User

pytestmark = pytest.mark.django_db
CONTENT = b"ciphertext" * 1_000


@pytest.fixture
def carol(bucket: Bucket) -> User:
    user = make_user("carol")
    fund_reader(user, 10)
    return user


@pytest.fixture
def client(carol: User) -> Client:
    return make_client(carol)


def share(*, price_msat: int) -> Link:
    """Return a registered link of Bob to CONTENT."""
    blob = make_blob(CONTENT)
    link = Link.objects.create(
        blob=blob, owner=make_user("bob"), price_msat=price_msat, manifest=b"age", seal=bytes(32), created_at=NOW
    )
    register_blob(blob_id=blob.id, now=NOW)
    return link


def follow(url: str, **headers: str) -> requests.Response:
    """Ask the store, as a reader does who follows the redirect."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, headers=headers, timeout=30)


def test_the_store_sends_what_the_application_has_charged(client: Client, carol: User):
    link = share(price_msat=1_500)
    answer = client.get(f"/api/v1/links/{link.id}/content")

    paid = Microtransaction.objects.get()
    assert (answer.status_code, answer.content) == (307, b"")
    assert answer.headers["Cadastre-Transfer"] == str(paid.id)
    assert answer.headers["Cadastre-Charged-Msat"] == "1500"
    assert answer.headers["Cache-Control"] == "no-store"
    assert follow(answer.headers["Location"]).content == CONTENT
    assert get_balance_msat(carol) == 8_500
    assert Entitlement.objects.get().bytes_served == len(CONTENT)
    assert not OpenTransfer.objects.exists()


@pytest.mark.parametrize(("headers", "status"), [({}, 307), ({"Cadastre-Redirect": "tell"}, 204)])
def test_a_script_that_must_read_the_headers_is_told_the_address(
    settings: Settings, tmp_path: Path, headers: dict[str, str], status: int
):
    backend = "tests.storage.backends.SendsElsewhere"
    settings.STORAGES = {**settings.STORAGES, "blobs": {"BACKEND": backend, "OPTIONS": {"location": tmp_path}}}

    answer = make_client().get(f"/api/v1/links/{share(price_msat=0).id}/content", headers=headers)

    assert (answer.status_code, answer.headers["Location"]) == (status, "https://store.example.org/")
    assert answer.headers["Cadastre-Charged-Msat"] == "0"


@pytest.mark.parametrize(
    ("asked", "content"),
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=9990-", CONTENT[9990:]),
        ("bytes=-10", CONTENT[-10:]),
        ("bytes=9990-99999", CONTENT[9990:]),
    ],
)
def test_the_range_that_is_counted_is_the_one_that_the_store_sends(client: Client, asked: str, content: bytes):
    answer = client.get(f"/api/v1/links/{share(price_msat=1_500).id}/content", headers={"Range": asked})

    sent = follow(answer.headers["Location"], Range=asked)
    assert (answer.status_code, sent.status_code, sent.content) == (307, 206, content)
    assert Entitlement.objects.get().bytes_served == len(content)
    assert follow(answer.headers["Location"]).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status", "content"),
    [
        ({"Range": "bytes=10-5"}, 200, CONTENT),
        ({"Range": "bytes=0-1,5-6"}, 200, CONTENT),
        ({"Range": "bytes=9990-", "If-Range": '"another"'}, 200, CONTENT),
        ({"If-Match": '"x"'}, 200, CONTENT),
        ({"If-None-Match": "*"}, 200, CONTENT),
    ],
    ids=["backwards", "several", "another version", "if-match", "if-none-match"],
)
def test_what_the_store_could_understand_in_another_way_is_streamed_by_the_application(
    client: Client, headers: dict[str, str], status: int, content: bytes
):
    answer = client.get(f"/api/v1/links/{share(price_msat=1_500).id}/content", headers=headers)

    assert answer.status_code == status
    assert b"".join(answer.streaming_content) == content  # type: ignore[attr-defined]  # the test client's answers have it
    answer.close()


def test_a_reader_who_resumes_with_if_range_gets_the_range(client: Client):
    link = share(price_msat=1_500)
    etag = f'"{bytes(link.blob.sha256).hex()}"'

    answer = client.get(f"/api/v1/links/{link.id}/content", headers={"Range": "bytes=9990-", "If-Range": etag})

    assert answer.status_code == 206
    assert b"".join(answer.streaming_content) == CONTENT[9990:]  # type: ignore[attr-defined]
    answer.close()


def test_head_is_answered_by_the_application_and_free(client: Client, carol: User):
    answer = client.head(f"/api/v1/links/{share(price_msat=1_500).id}/content")

    assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(len(CONTENT)))
    assert get_balance_msat(carol) == 10_000


def test_a_range_behind_the_end_is_refused_and_free(client: Client, carol: User):
    link = share(price_msat=1_500)
    answer = client.get(f"/api/v1/links/{link.id}/content", headers={"Range": "bytes=10000-"})

    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert get_balance_msat(carol) == 10_000


@pytest.mark.parametrize("fault", ["missing", "short", "down"])
def test_what_the_store_cannot_send_is_not_charged(
    client: Client, carol: User, bucket: Bucket, settings: Settings, fault: str
):
    link = share(price_msat=1_500)
    if fault == "missing":
        storages["blobs"].delete(link.blob.storage_name)
    elif fault == "short":
        bucket.get_client().put_object(Bucket=bucket.name, Key=link.blob.storage_name, Body=b"short")
    else:
        use_bucket(settings, bucket, endpoint_url=f"http://127.0.0.1:{find_ports(1)[0]}", attempts_max=1)

    answer = client.get(f"/api/v1/links/{link.id}/content")

    assert (answer.status_code, answer.json()["code"]) == (503, "blob-unavailable")
    assert get_balance_msat(carol) == 10_000
    assert not Microtransaction.objects.exists()


def test_nobody_gets_an_address_without_paying(bucket: Bucket):
    link = share(price_msat=1_500)

    assert make_client().get(f"/api/v1/links/{link.id}/content").status_code == 402
    unsigned = follow(f"{bucket.store.url}/{bucket.name}/{link.blob.storage_name}")
    assert (unsigned.status_code, CONTENT in unsigned.content) == (400, False)
