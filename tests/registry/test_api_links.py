"""A link's own address: what everybody reads, what its owner changes, and who may end it."""

import base64
import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from registry.services.records import register_blob
from storage.models import Blob, BlockedDigest, Link
from tests.factories.storage import make_link
from tests.factories.users import NOW, make_client, make_user
from users.models import User
from users.scopes import Scope

pytestmark = pytest.mark.django_db
TOKEN = bytes(range(32))


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def link(bob: User) -> Link:
    """A registered link that TOKEN deletes."""
    link = make_link(bob, price_msat=2_500)
    register_blob(blob_id=link.blob_id, now=NOW)
    Link.objects.update(deletion_token_sha256=hashlib.sha256(TOKEN).digest())
    return link


def address(link: Link) -> str:
    return f"/api/v1/links/{link.id}"


def patch(client: Client, link: Link, document: dict[str, object]):
    return client.patch(address(link), document, content_type="application/json")


def delete_with(link: Link, text: str, client: Client | None = None):
    return (client or Client()).delete(address(link), headers={"Cadastre-Deletion-Token": text})


def get_code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- Reading ---


def test_everybody_sees_a_links_limits(link: Link):
    Link.objects.update(expires_at=NOW + timedelta(days=36_000), transfers_max=5, transfers_used=2)

    found = Client().get(address(link)).json()

    assert (found["expires_at"], found["transfers_max"], found["transfers_left"]) == ("2124-07-26T12:00:00Z", 5, 3)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ({"expires_at": NOW}, "link-expired"),
        ({"transfers_max": 2, "transfers_used": 2}, "link-used-up"),
        ({"deleted_at": NOW}, "link-deleted"),
        ({"disabled_at": NOW}, "link-disabled"),
        ({"expires_at": NOW, "release_at": NOW, "released_at": NOW}, "link-expired"),
        ({"transfers_max": 2, "transfers_used": 2, "released_at": NOW}, "link-used-up"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_end_of_a_link_has_its_own_problem(link: Link, ended: dict[str, object], code: str):
    Link.objects.update(**ended)

    assert get_code(Client().get(address(link))) == (410, code)
    assert get_code(Client().get(f"{address(link)}/content")) == (410, code)


def test_a_manifest_is_read_while_an_ended_link_keeps_its_blob(link: Link):
    path = f"{address(link)}/manifest"
    Link.objects.update(expires_at=NOW)

    kept = Client().get(path)
    Link.objects.update(released_at=NOW)

    assert (kept.status_code, get_code(Client().get(path))) == (200, (410, "link-expired"))


def test_a_blocked_digest_is_answered_with_451_everywhere(bob: User, link: Link):
    BlockedDigest.objects.create(sha256=link.blob.sha256, reason="An order.", blocked_by=bob, blocked_at=NOW)

    for path in ("", "/manifest", "/content"):
        assert get_code(Client().get(f"{address(link)}{path}")) == (451, "digest-blocked")
    BlockedDigest.objects.update(unblocked_at=NOW)
    assert Client().get(address(link)).status_code == 200


# --- Changing ---


def test_the_owner_changes_a_link(bob: User, link: Link):
    client, expires_at = make_client(bob), timezone.now() + timedelta(days=3)

    first = patch(client, link, {"expires_at": expires_at.isoformat(), "transfers_max": 4})
    second = patch(client, link, {"price": {"amount_msat": 7}, "transfers_max": None})

    link.refresh_from_db()
    assert (first.status_code, first.json()["transfers_left"], first.json()["price"]) == (
        200,
        4,
        {"amount_msat": 2_500},
    )
    assert (second.json()["transfers_max"], second.json()["price"], second.json()["state"]) == (
        None,
        {"amount_msat": 7},
        "open",
    )
    assert (link.expires_at, link.release_at) == (expires_at, expires_at + timedelta(days=1))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expiry-out-of-range"),
        ({"expires_at": "tomorrow"}, "invalid-input"),
        ({"transfers_max": 0}, "invalid-input"),
        ({"transfers_max": True}, "invalid-input"),
        ({"price": {"amount_msat": -1}}, "invalid-input"),
    ],
)
def test_refuses_limits_that_make_no_sense(bob: User, link: Link, document: dict[str, object], code: str):
    assert get_code(patch(make_client(bob), link, document)) == (400, code)


def test_an_expired_link_opens_again_until_its_bytes_are_gone(bob: User, link: Link):
    client, later = make_client(bob), (timezone.now() + timedelta(days=1)).isoformat()
    Link.objects.update(expires_at=NOW)

    assert patch(client, link, {"transfers_max": 3}).json()["state"] == "expired"
    assert patch(client, link, {"expires_at": later}).json()["state"] == "open"
    Link.objects.update(released_at=NOW)
    assert get_code(patch(client, link, {"expires_at": None})) == (410, "blob-erased")


def test_carol_changes_and_deletes_nothing(link: Link):
    carol = make_client(make_user("carol"))

    assert get_code(patch(carol, link, {"price": {"amount_msat": 0}})) == (403, "not-link-owner")
    assert get_code(carol.delete(address(link))) == (403, "not-link-owner")
    assert get_code(patch(Client(), link, {})) == (401, "token-missing")
    assert get_code(Client().delete(address(link))) == (401, "token-missing")
    link.refresh_from_db()
    assert (link.price_msat, link.deleted_at) == (2_500, None)


def test_a_token_without_the_scope_changes_nothing(bob: User, link: Link):
    client = make_client(bob, scopes=[Scope.ACCOUNT_READ])

    assert get_code(patch(client, link, {})) == (403, "scope-missing")
    assert get_code(client.delete(address(link))) == (403, "scope-missing")


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_link_has_no_other_methods(bob: User, link: Link, method: str):
    assert get_code(getattr(make_client(bob), method)(address(link))) == (405, "method-not-allowed")


# --- Deleting ---


def test_the_owner_deletes_a_link_and_may_repeat_it(bob: User, link: Link):
    client = make_client(bob)

    assert [client.delete(address(link)).status_code for _ in range(2)] == [204, 204]

    link.refresh_from_db()
    assert link.deleted_at == link.release_at is not None
    assert bytes(link.manifest) == b""
    assert get_code(patch(client, link, {})) == (410, "link-deleted")
    assert client.get("/api/v1/links").json()["results"] == []
    assert Blob.objects.get().erased_at is None, "a sweep erases, not the request"


@pytest.mark.parametrize("is_padded", [False, True])
def test_whoever_has_the_deletion_token_deletes_a_link_and_may_repeat_it(link: Link, *, is_padded: bool):
    text = base64.urlsafe_b64encode(TOKEN).decode()
    text = text if is_padded else text.rstrip("=")

    assert [delete_with(link, text).status_code for _ in range(2)] == [204, 204]

    link.refresh_from_db()
    assert link.deleted_at is not None


@pytest.mark.parametrize(
    "text",
    ["", "!", "é", base64.urlsafe_b64encode(bytes(32)).decode(), base64.urlsafe_b64encode(TOKEN + b"x").decode()],
    ids=["empty", "no base64", "no ASCII", "wrong", "too long"],
)
def test_a_wrong_deletion_token_deletes_nothing(bob: User, link: Link, text: str):
    """Not even where the request is the owner's: what it says is refused."""
    assert get_code(delete_with(link, text, make_client(bob))) == (403, "deletion-token-refused")
    link.refresh_from_db()
    assert link.deleted_at is None


def test_a_link_without_a_deletion_token_is_deleted_by_none(bob: User):
    link = make_link(bob)

    assert get_code(delete_with(link, base64.urlsafe_b64encode(TOKEN).decode())) == (403, "deletion-token-refused")


def test_what_is_not_there_cannot_be_changed_or_deleted(bob: User):
    path, client = f"/api/v1/links/{uuid.uuid4()}", make_client(bob)

    assert get_code(client.delete(path)) == (404, "link-not-found")
    assert get_code(client.delete(path, headers={"Cadastre-Deletion-Token": "A" * 43})) == (404, "link-not-found")
    assert get_code(client.patch(path, {}, content_type="application/json")) == (404, "link-not-found")
