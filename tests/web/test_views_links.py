"""The page that a link opens in a browser."""

import base64
import hashlib
import re
from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from storage.models import BlockedDigest, Link
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


def test_a_link_says_how_to_fetch_it_without_a_script(client: Client, bob: User):
    link, _ = make_linked_record(bob)

    text = read_text(client.get(f"/f/{link.id}"))

    assert "Copy the address from your browser's address bar" in text
    assert "cadastre get 'THIS LINK'" in text
    assert "Decrypting in the browser needs JavaScript." in text


def test_a_link_to_an_erased_blob_says_so(client: Client, bob: User):
    link = make_link(bob, blob=make_blob(erased_at=NOW))

    assert "Its bytes were erased" in read_text(client.get(f"/f/{link.id}"))


def test_an_unknown_link_is_not_found(client: Client):
    assert client.get(f"/f/{uuid4()}").status_code == 404


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"disabled_at": NOW}, "A reviewer has disabled it."),
        ({"deleted_at": NOW}, "Whoever shared it has deleted it."),
        ({"expires_at": NOW}, "Its time is over."),
        ({"transfers_max": 1, "transfers_used": 1}, "As many transfers were made of it as it allowed."),
    ],
    ids=["disabled", "deleted", "expired", "used up"],
)
def test_a_link_that_has_ended_says_why(client: Client, bob: User, columns: dict[str, object], why: str):
    link = make_link(bob)
    Link.objects.filter(id=link.id).update(**columns)

    page = client.get(f"/f/{link.id}")

    assert page.status_code == 410
    assert why in read_text(page)


def test_a_link_whose_digest_is_blocked_says_so(client: Client, bob: User, reviewer: User):
    link = make_link(bob)
    BlockedDigest.objects.create(sha256=link.blob.sha256, reason="Malware.", blocked_by=reviewer, blocked_at=NOW)

    page = client.get(f"/f/{link.id}")

    assert page.status_code == 410
    assert "Its bytes are not served here, by a reviewer's decision." in read_text(page)


def test_a_links_page_may_decrypt_and_show_and_nothing_else(client: Client, bob: User):
    link, _ = make_linked_record(bob)

    policy = client.get(f"/f/{link.id}").headers["Content-Security-Policy"]

    assert "script-src 'self' 'wasm-unsafe-eval';" in policy + ";"
    assert "media-src 'self'" in policy
    assert "frame-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "'unsafe-eval'" not in policy


def test_a_links_script_comes_with_the_hash_of_its_bytes(client: Client, bob: User):
    link, _ = make_linked_record(bob)

    html = client.get(f"/f/{link.id}").content.decode()

    found = re.search(r'<script type="module" src="/static/([^"]+)" integrity="sha384-([^"]+)">', html)
    assert found is not None
    content = Path(str(finders.find(found[1]))).read_bytes()
    assert base64.b64encode(hashlib.sha384(content).digest()).decode() == found[2]


def test_the_worker_lies_above_the_addresses_that_it_answers(client: Client):
    answer = client.get("/f/worker.js")

    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert "'wasm-unsafe-eval'" in answer.headers["Content-Security-Policy"]
    assert b"fetch" in answer.getvalue()


def test_a_link_is_not_kept_by_caches(client: Client, bob: User):
    link, _ = make_linked_record(bob)

    assert "no-store" in client.get(f"/f/{link.id}").headers["Cache-Control"]
