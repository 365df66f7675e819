"""A link with limits over HTTP: passes, what an end refuses, and a transfer that a deletion breaks off."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from registry.services.records import register_blob
from storage.errors import BlobUnavailableError
from storage.models import Link
from storage.services.erasure import release_links
from storage.services.link_changes import delete_link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat
from tests.factories.storage import make_blob, make_link
from tests.factories.users import make_client, make_user
from users.models import User

pytestmark = pytest.mark.django_db
CONTENT = b"ciphertext" * 1_000


@pytest.fixture(autouse=True)
def static_root() -> None:
    """Make the directory of static files: WhiteNoise warns when it is missing."""
    Path(django_settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    user = make_user("carol")
    fund_reader(user, 10)
    return user


def share(owner: User, *, price_msat: int, content: bytes = CONTENT) -> Link:
    """Return a registered link to CONTENT, or to other bytes."""
    link = make_link(owner, blob=make_blob(content), price_msat=price_msat)
    register_blob(blob_id=link.blob_id, now=NOW)
    return link


def address(link: Link) -> str:
    """Return where a link's bytes are."""
    return f"/api/v1/links/{link.id}/content"


def limit(link: Link, **columns: object) -> Link:
    """Return a link with limits."""
    Link.objects.filter(id=link.id).update(**columns)
    link.refresh_from_db()
    return link


def test_an_anonymous_reader_of_a_limited_link_goes_on_with_a_pass(bob: User):
    link = limit(share(bob, price_msat=0), transfers_max=1)

    first = Client().get(address(link), headers={"Range": "bytes=9990-"})
    given = first["Cadastre-Pass"]
    rest = Client().get(address(link), headers={"Range": "bytes=0-9989", "Cadastre-Pass": given})
    refused = Client().get(address(link))

    assert first.getvalue() == CONTENT[9990:]
    assert rest.getvalue() == CONTENT[:9990]
    assert "Cadastre-Pass" not in rest
    assert (refused.status_code, refused.json()["code"]) == (410, "link-used-up")
    link.refresh_from_db()
    assert link.transfers_used == 1


def test_a_transfer_that_is_handed_over_to_nginx_is_counted_and_gives_a_pass(bob: User, settings: Settings):
    link = limit(share(bob, price_msat=0), transfers_max=1)
    options = settings.STORAGES["blobs"]["OPTIONS"] | {"accel_location": "/blobs/"}
    settings.STORAGES = settings.STORAGES | {"blobs": settings.STORAGES["blobs"] | {"OPTIONS": options}}

    first = Client().get(address(link), headers={"Range": "bytes=0-9"})
    again = Client().get(address(link), headers={"Range": "bytes=10-", "Cadastre-Pass": first["Cadastre-Pass"]})

    assert first["X-Accel-Redirect"] == again["X-Accel-Redirect"] == f"/blobs/{link.blob.storage_name}"
    assert Client().get(address(link)).json()["code"] == "link-used-up"
    link.refresh_from_db()
    assert link.transfers_used == 1


def test_a_link_without_a_maximum_gives_no_pass(bob: User):
    answer = Client().get(address(share(bob, price_msat=0)))
    answer.getvalue()
    assert "Cadastre-Pass" not in answer


@pytest.mark.parametrize("text", ["", "short", "?" * 43])
def test_a_malformed_pass_is_refused(bob: User, text: str):
    answer = Client().get(address(share(bob, price_msat=0)), headers={"Cadastre-Pass": text})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")


def test_head_does_not_show_an_ended_link(bob: User):
    link = limit(share(bob, price_msat=0), expires_at=NOW)
    assert Client().head(address(link)).status_code == 410


def test_who_paid_for_a_link_that_expires_fetches_the_rest(bob: User, carol: User):
    link, client = share(bob, price_msat=1_500), make_client(carol)
    client.get(address(link), headers={"Range": "bytes=0-9"}).getvalue()
    limit(link, expires_at=timezone.now())

    rest = client.get(address(link), headers={"Range": "bytes=10-"})

    assert (rest.status_code, rest.getvalue(), rest["Cadastre-Charged-Msat"]) == (206, CONTENT[10:], "0")
    assert Client().get(address(link)).json()["code"] == "link-expired"


def test_a_transfer_whose_link_is_deleted_breaks_off_and_is_refunded(bob: User, carol: User):
    content = CONTENT * 100
    link = share(bob, price_msat=1_500, content=content)
    answer: Any = make_client(carol).get(address(link))
    chunks = answer._iterator
    sent = next(chunks)

    delete_link(link_id=link.id, owner_id=bob.id, now=timezone.now())
    release_links(now=timezone.now())
    with pytest.raises(BlobUnavailableError):
        list(chunks)
    chunks.close()

    assert content.startswith(sent)
    assert get_balance_msat(carol) == 10_000
    assert make_client(carol).get(address(link)).json()["code"] == "link-deleted"
