"""What a session on the pages pays for a link's bytes: nothing that its request does not agree to."""

import pytest
from django.test import Client

from payouts.models import Microtransaction
from registry.services.records import register_blob
from storage.models import Link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat
from tests.factories.storage import make_blob
from tests.factories.users import make_user
from users.models import User

pytestmark = pytest.mark.django_db
CONTENT = b"ciphertext" * 1_000


@pytest.fixture
def link() -> Link:
    """Bob's link, at 1,000 msat a transfer."""
    blob = make_blob(CONTENT)
    link = Link.objects.create(
        blob=blob, owner=make_user("bob"), price_msat=1_000, manifest=b"age", seal=bytes(32), created_at=NOW
    )
    register_blob(blob_id=blob.id, now=NOW)
    return link


@pytest.fixture
def carol() -> User:
    """A reader with 10,000 msat."""
    user = make_user("carol")
    fund_reader(user, 10)
    return user


@pytest.fixture
def browser(carol: User) -> Client:
    """The browser in which Carol is signed in."""
    client = Client()
    client.force_login(carol)
    return client


def test_a_session_pays_only_what_its_request_agrees_to(link: Link, carol: User, browser: Client):
    """Another site can make Carol's browser ask with her cookie, but not with a header of ours."""
    where = f"/api/v1/links/{link.id}/content"

    refused = browser.get(where)

    assert (refused.status_code, refused.json()["code"]) == (409, "price-above-max")
    assert not Microtransaction.objects.exists()
    paid = browser.get(where, headers={"Cadastre-Price-Max": "1000"})
    assert (paid.getvalue(), paid.headers["Cadastre-Charged-Msat"]) == (CONTENT, "1000")
    assert get_balance_msat(carol) == 9_000


def test_a_session_takes_what_it_paid_for_and_what_is_free_without_agreeing_to_a_price(
    link: Link, carol: User, browser: Client
):
    where = f"/api/v1/links/{link.id}/content"
    assert browser.get(where, headers={"Cadastre-Price-Max": "1000"}).getvalue() == CONTENT

    assert browser.get(where).getvalue() == CONTENT
    Link.objects.filter(id=link.id).update(price_msat=0)
    assert browser.get(where).getvalue() == CONTENT
    assert get_balance_msat(carol) == 9_000
