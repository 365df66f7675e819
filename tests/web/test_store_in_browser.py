"""A real browser and a real store: the pages' policy lets scripts follow a delivery there, and send parts."""

import hashlib
import os
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from config.content_security import allow_store
from registry.services.records import register_blob
from storage.services.multiparts import create_multipart, list_parts, sign_parts
from tests.browsers import Browser
from tests.factories.storage import make_blob, make_link
from tests.factories.users import make_user
from tests.swift import Bucket

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = b"ciphertext" * 10_000

FETCH = """
const [address, headers] = arguments;
return fetch(address, {headers}).then(
    async (answer) => ({status: answer.status, redirected: answer.redirected, text: await answer.text()}),
    (error) => ({status: 0, text: String(error)}));
"""
TELL = """
const [address] = arguments;
return fetch(address, {headers: {"Cadastre-Redirect": "tell", Range: "bytes=5-14"}}).then(async (told) => {
    const sent = await fetch(told.headers.get("Location"), {headers: {Range: "bytes=5-14"}, credentials: "omit"});
    return {charged: told.headers.get("Cadastre-Charged-Msat"), status: sent.status, text: await sent.text()};
});
"""
PUT = """
const [address, headers, text] = arguments;
delete headers["Content-Length"];
return fetch(address, {method: "PUT", headers, body: new Blob([text]), credentials: "omit"}).then(
    (answer) => answer.status, (error) => String(error));
"""


@pytest.fixture
def page(live_server: LiveServer, browser: Browser, bucket: Bucket, settings: Settings) -> Browser:
    """A page of the site, whose policy names the store."""
    settings.CONTENT_SECURITY_POLICY = allow_store(bucket.store.url)
    browser.open(f"{live_server.url}/")
    return browser


@pytest.fixture
def address(bucket: Bucket) -> str:
    """Where a registered link's bytes are asked for."""
    link = make_link(make_user("bob"), blob=make_blob(CONTENT))
    register_blob(blob_id=link.blob_id, now=timezone.now())
    return f"/api/v1/links/{link.id}/content"


@pytest.mark.parametrize(("asked", "part"), [({}, CONTENT), ({"Range": "bytes=5-14"}, CONTENT[5:15])])
def test_a_script_follows_a_delivery_to_the_store(page: Browser, address: str, asked: dict[str, str], part: bytes):
    answer = page.run(FETCH, address, {**asked, "Cadastre-Price-Max": "0"})

    assert answer == {"status": 206 if asked else 200, "redirected": True, "text": part.decode()}


def test_a_script_that_is_told_the_address_reads_the_charge_and_the_bytes(page: Browser, address: str):
    assert page.run(TELL, address) == {"charged": "0", "status": 206, "text": CONTENT[5:15].decode()}


def test_without_the_stores_origin_the_policy_stops_the_script(
    page: Browser, address: str, live_server: LiveServer, settings: Settings
):
    settings.CONTENT_SECURITY_POLICY = allow_store("")
    page.open(f"{live_server.url}/")

    assert page.run(FETCH, address, {})["status"] == 0
    assert any("Content Security Policy" in complaint for complaint in page.read_complaints())


def test_a_script_sends_a_part_and_no_other_bytes(page: Browser):
    bob, text, now = make_user("bob"), os.urandom(50_000).hex(), timezone.now()
    multipart = create_multipart(owner=bob, length=len(text), now=now)
    names: dict[str, Any] = {"upload_id": multipart.upload_id, "owner_id": bob.id, "now": now}
    cut = text[: multipart.part_bytes]
    [part] = sign_parts(parts=[(1, hashlib.sha256(cut.encode()).digest())], **names)

    assert page.run(PUT, part.url, part.headers, cut[::-1]) != 200
    assert list_parts(**names) == []
    assert page.run(PUT, part.url, part.headers, cut) == 200
    assert [found.number for found in list_parts(**names)] == [1]
    page.read_complaints()
