"""The page that a link opens in a browser."""

from uuid import uuid4

import pytest
from django.test import Client

from tests.factories.registry import make_anchor, make_claim, make_linked_record
from tests.factories.storage import make_blob, make_link
from tests.factories.users import NOW
from tests.web.readers import read_text
from users.models import User

pytestmark = pytest.mark.django_db


def test_a_link_shows_its_price_length_and_payees(client: Client, bob: User):
    link, record = make_linked_record(bob, price_msat=2_500)

    text = read_text(client.get(f"/f/{link.id}"))

    assert "Price of a transfer 2,500 msat (2.5 sat)" in text
    assert f"Length {record.length:,} bytes" in text
    assert "the uploader 100 % of what is left 90 %" in text
    assert "REGISTERED" in text


def test_a_link_names_the_rights_holders_that_are_paid(client: Client, alice: User, bob: User, reviewer: User):
    link, record = make_linked_record(bob, price_msat=1_000)
    claim = make_claim(alice, record=record)
    claim_page = f"/admin/registry/claim/{claim.id}/decide/"
    client.force_login(reviewer)
    client.post(claim_page, {"decision": "approve", "reason": "The contract names her."})

    text = read_text(Client().get(f"/f/{link.id}"))

    assert "Alice's Archive 60 % of what is left 54 %" in text


def test_a_link_tells_the_state_of_its_proof(client: Client, bob: User):
    link, _ = make_linked_record(bob)
    make_anchor()

    assert "Proof MINED" in read_text(client.get(f"/f/{link.id}"))


def test_a_link_whose_blob_is_not_registered_yet_says_so(client: Client, bob: User):
    link = make_link(bob)

    text = read_text(client.get(f"/f/{link.id}"))

    assert "Price of a transfer free" in text
    assert "Proof not registered yet" in text
    assert "Who is paid" not in text


def test_a_link_says_how_to_fetch_it_and_that_the_browser_cannot(client: Client, bob: User):
    link, _ = make_linked_record(bob)

    text = read_text(client.get(f"/f/{link.id}"))

    assert "Copy the address from your browser's address bar" in text
    assert "cadastre get 'THIS LINK'" in text
    assert "A browser cannot fetch the file here: that is not built." in text


def test_a_link_to_an_erased_blob_says_so(client: Client, bob: User):
    link = make_link(bob, blob=make_blob(erased_at=NOW))

    assert "Its bytes were erased" in read_text(client.get(f"/f/{link.id}"))


def test_an_unknown_and_a_disabled_link_look_the_same(client: Client, bob: User):
    disabled = make_link(bob, disabled_at=NOW)

    unknown_page, disabled_page = client.get(f"/f/{uuid4()}"), client.get(f"/f/{disabled.id}")

    assert unknown_page.status_code == disabled_page.status_code == 404
    assert read_text(unknown_page) == read_text(disabled_page)


def test_a_link_is_not_kept_by_caches(client: Client, bob: User):
    link, _ = make_linked_record(bob)

    assert "no-store" in client.get(f"/f/{link.id}").headers["Cache-Control"]
