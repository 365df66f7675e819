"""What the site tells browsers to refuse."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from config.content_security import add_worker_policy
from tests.factories.registry import make_claim, make_record
from users.models import User

pytestmark = pytest.mark.django_db

STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "worker-src": "'self'",
}


def read_policy(client: Client, address: str) -> dict[str, str]:
    """Return the directives of a page's Content-Security-Policy."""
    header = client.get(address).headers["Content-Security-Policy"]
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


@pytest.mark.parametrize("address", ["/", "/records/", "/admin/login/", "/nothing", "/api/v1/records"])
def test_pages_load_their_own_files_and_nothing_else(client: Client, address: str):
    policy = read_policy(client, address)

    assert {name: policy[name] for name in STRICT} == STRICT


def test_only_the_api_documentation_may_style_inline_and_no_page_may_script_inline(client: Client):
    policy = read_policy(client, "/api/docs")

    assert policy["style-src"] == "'self' 'unsafe-inline'"
    assert policy["script-src"] == "'self'"


def test_the_api_documentations_script_has_an_address_of_its_own(client: Client):
    page = client.get("/api/docs").content.decode()

    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    addresses = [found.group(1) for tag, _ in scripts if (found := re.search(r'src="([^"]+)"', tag))]
    assert [body.strip() for _, body in scripts] == [""] * len(scripts)
    assert client.get(addresses[-1].replace("&amp;", "&")).headers["Content-Type"].startswith("application/javascript")


@pytest.mark.parametrize("page", ["/", "/records/", "/status", "/docs/", "/search", "/nothing", "/admin/", "claim"])
def test_no_page_has_inline_code_or_loads_from_elsewhere(desk: Client, alice: User, bob: User, page: str):
    claim = make_claim(alice, record=make_record(bob))
    address = f"/admin/registry/claim/{claim.id}/change/" if page == "claim" else page

    text = desk.get(address).content.decode()

    assert not re.search(r"<style|\sstyle=|\son\w+=", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_browsers_may_send_the_origin_of_forms(client: Client):
    assert client.get("/admin/login/").headers["Referrer-Policy"] == "same-origin"


def test_the_pages_files_exist(client: Client):
    text = client.get("/").content.decode()

    for name in re.findall(r'(?:src|href)="/static/([^"]+)"', text):
        assert finders.find(name), name


def test_the_address_that_browsers_guess_leads_to_the_icon(client: Client):
    assert client.get("/favicon.ico").headers["Location"] == "/static/web/mark.svg"


def test_built_scripts_come_with_the_policy_that_workers_need():
    headers: dict[str, str] = {}

    add_worker_policy(headers, "path", "/static/web/built/upload_worker-ABC.js")
    assert "'wasm-unsafe-eval'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    headers.clear()
    add_worker_policy(headers, "path", "/static/web/site.css")
    assert headers == {}


@pytest.mark.parametrize("address", ["/", "/sign-in", "/files/", "/records/"])
def test_pages_without_a_cipher_compile_nothing(desk: Client, address: str):
    assert read_policy(desk, address)["script-src"] == "'self'"
