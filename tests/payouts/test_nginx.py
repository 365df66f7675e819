"""Delivery through a real nginx: charged by the application, sent by nginx, in every shape of a request."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from django.core.files.storage import storages
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from payouts.models import Entitlement, Microtransaction, OpenTransfer
from registry.services.records import register_blob
from storage.models import Link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat
from tests.factories.storage import make_blob
from tests.factories.users import make_secret, make_user
from tests.nginx import find_nginx, started_nginx
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = b"ciphertext" * 1_000


@pytest.fixture
def front(live_server: LiveServer, settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of nginx in front of the application."""
    find_nginx()
    blobs = Path(storages["blobs"].path(""))
    options = {**settings.STORAGES["blobs"]["OPTIONS"], "location": blobs, "accel_location": "/cadastre-blobs/"}
    settings.STORAGES = {**settings.STORAGES, "blobs": {**settings.STORAGES["blobs"], "OPTIONS": options}}
    with started_nginx(tmp_path, upstream=live_server.url, blobs=blobs) as url:
        yield url


@pytest.fixture
def carol() -> User:
    user = make_user("carol")
    fund_reader(user, 10)
    return user


def share(*, price_msat: int) -> Link:
    """Return a registered link of Bob to CONTENT."""
    blob = make_blob(CONTENT)
    link = Link.objects.create(
        blob=blob, owner=make_user("bob"), price_msat=price_msat, manifest=b"age", seal=bytes(32), created_at=NOW
    )
    register_blob(blob_id=blob.id, now=NOW)
    return link


def fetch(front: str, link: Link, reader: User | None = None, **headers: str) -> requests.Response:
    """Ask nginx for a link's bytes."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if reader is not None:
        headers["Authorization"] = f"Bearer {make_secret(reader)}"
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{front}/api/v1/links/{link.id}/content", headers=headers, timeout=30)


def test_nginx_sends_what_the_application_has_charged(front: str, carol: User):
    link = share(price_msat=1_500)
    answer = fetch(front, link, carol)

    paid = Microtransaction.objects.get()
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Server"].startswith("nginx")
    assert answer.headers["Cadastre-Transfer"] == str(paid.id)
    assert answer.headers["Cadastre-Charged-Msat"] == "1500"
    assert answer.headers["ETag"] == f'"{bytes(link.blob.sha256).hex()}"'
    assert answer.headers["Content-Disposition"] == "attachment"
    assert "X-Accel-Redirect" not in answer.headers
    assert "Last-Modified" not in answer.headers
    assert get_balance_msat(carol) == 8_500
    assert Entitlement.objects.get().bytes_served == len(CONTENT)
    assert not OpenTransfer.objects.exists()


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-9", 206, CONTENT[:10]),
        ("bytes=9990-", 206, CONTENT[9990:]),
        ("bytes=-10", 206, CONTENT[-10:]),
        ("bytes=9990-99999", 206, CONTENT[9990:]),
        ("bytes=10-5", 200, CONTENT),
        ("bytes=0-1,5-6", 200, CONTENT),
        ("lines=0-1", 200, CONTENT),
        ("bytes=x-y", 200, CONTENT),
    ],
)
def test_a_range_through_nginx_is_the_one_that_is_counted(
    front: str, carol: User, asked: str, status: int, content: bytes
):
    answer = fetch(front, share(price_msat=1_500), carol, Range=asked)

    assert (answer.status_code, answer.content) == (status, content)
    assert Entitlement.objects.get().bytes_served == len(content)


def test_a_range_behind_the_end_is_refused_and_free(front: str, carol: User):
    answer = fetch(front, share(price_msat=1_500), carol, Range="bytes=10000-")

    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert get_balance_msat(carol) == 10_000


@pytest.mark.parametrize(("etag", "status"), [("the blob's", 206), ('"another"', 200)])
def test_if_range_is_weighed_by_the_application(front: str, carol: User, etag: str, status: int):
    """Passes if a reader who resumes gets the range, and one who has another version gets everything."""
    link = share(price_msat=1_500)
    known = f'"{bytes(link.blob.sha256).hex()}"' if etag == "the blob's" else etag
    answer = fetch(front, link, carol, Range="bytes=9990-", If_Range=known)

    assert (answer.status_code, answer.content) == (status, CONTENT[9990:] if status == 206 else CONTENT)
    assert Entitlement.objects.get().bytes_served == len(answer.content)


def test_conditions_never_turn_a_charge_into_an_empty_answer(front: str, carol: User):
    """Passes if headers that nginx would answer with 304 or 412 after the charge bring the bytes."""
    link = share(price_msat=1_500)
    for header in ({"If_Match": '"x"'}, {"If_Modified_Since": "Fri, 01 Jan 2100 00:00:00 GMT"}):
        assert fetch(front, link, carol, **header).content == CONTENT


def test_a_file_that_is_not_whole_is_not_charged(front: str, carol: User):
    link = share(price_msat=1_500)
    os.truncate(storages["blobs"].path(link.blob.storage_name), 100)
    answer = fetch(front, link, carol)

    assert (answer.status_code, answer.json()["code"]) == (503, "blob-unavailable")
    assert get_balance_msat(carol) == 10_000


def test_nobody_gets_blobs_from_nginx_without_the_application(front: str):
    link = share(price_msat=1_500)
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{front}/cadastre-blobs/{link.blob.storage_name}", timeout=30)
    assert answer.status_code == 404
    assert fetch(front, link).status_code == 402
