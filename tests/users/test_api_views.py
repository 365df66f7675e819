"""Sign-up and tokens over HTTP."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from tests.factories.users import make_client, make_secret, make_user
from users.models import ApiToken, User
from users.scopes import Scope
from users.services.tokens import hash_secret

PASSWORD = "correct horse battery"
ACCOUNT = {"username": "bob", "password": PASSWORD}

pytestmark = pytest.mark.django_db


def post(client: Client, path: str, document: object):
    return client.post(path, document, content_type="application/json")


def test_signs_up_and_in_and_uses_the_token():
    client = Client()

    signed_up = post(client, "/api/v1/users", ACCOUNT)
    signed_in = post(client, "/api/v1/tokens", {**ACCOUNT, "name": "laptop"})
    listed = client.get("/api/v1/tokens", headers={"Authorization": f"Bearer {signed_in.json()['token']}"})

    assert signed_up.status_code == 201
    assert signed_up.json() == {"id": str(User.objects.get().id), "username": "bob"}
    assert signed_in.status_code == 201
    assert signed_in.headers["Cache-Control"] == "no-store"
    assert set(signed_in.json()) == {"id", "token", "name", "scopes", "created_at", "expires_at"}
    assert signed_in.json()["expires_at"].endswith("Z")
    assert [row["id"] for row in listed.json()["results"]] == [signed_in.json()["id"]]
    assert "token" not in listed.json()["results"][0]


def test_a_weak_password_is_refused_with_pointers():
    answer = post(Client(), "/api/v1/users", {"username": "bob", "password": "12345"})

    assert answer.status_code == 400
    assert answer.json()["code"] == "account-refused"
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/password"}


def test_a_taken_name_is_refused():
    make_user("bob")

    answer = post(Client(), "/api/v1/users", ACCOUNT)

    assert (answer.status_code, answer.json()["code"]) == (409, "username-taken")


def test_carol_cannot_sign_in_as_bob():
    post(Client(), "/api/v1/users", ACCOUNT)

    answer = post(Client(), "/api/v1/tokens", {"username": "bob", "password": "guess", "name": "x"})

    assert (answer.status_code, answer.json()["code"]) == (401, "credentials-refused")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not ApiToken.objects.exists()


def test_guessing_passwords_is_slowed_down():
    answers = [
        post(Client(), "/api/v1/tokens", {"username": "bob", "password": "guess", "name": "x"}) for _ in range(61)
    ]

    assert {answer.status_code for answer in answers[:60]} == {401}
    assert (answers[60].status_code, answers[60].json()["code"]) == (429, "throttled")
    assert int(answers[60].headers["Retry-After"]) > 0


def test_what_a_client_writes_into_x_forwarded_for_does_not_evade_the_throttle():
    statuses = [
        Client(headers={"X-Forwarded-For": f"10.0.0.{number}"})
        .post("/api/v1/users", {}, content_type="application/json")
        .status_code
        for number in range(21)
    ]

    assert statuses == [400] * 20 + [429]


def test_scopes_can_be_narrowed_and_unknown_ones_are_refused():
    post(Client(), "/api/v1/users", ACCOUNT)

    narrow = post(Client(), "/api/v1/tokens", {**ACCOUNT, "name": "x", "scopes": ["storage:write"]})
    unknown = post(Client(), "/api/v1/tokens", {**ACCOUNT, "name": "x", "scopes": ["storage:write", "admin"]})

    assert narrow.json()["scopes"] == ["storage:write"]
    assert unknown.status_code == 400
    assert [error["pointer"] for error in unknown.json()["errors"]] == ["/scopes/1"]


def test_a_token_is_required():
    answer = Client().get("/api/v1/tokens")

    assert (answer.status_code, answer.json()["code"]) == (401, "token-missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_stale_token_is_refused_by_its_cause():
    bob = make_user()
    expired = make_secret(bob, now=datetime.now(UTC) - timedelta(days=366))
    revoked = make_secret(bob)
    ApiToken.objects.filter(token_sha256=hash_secret(revoked)).update(revoked_at=datetime.now(UTC))

    causes = {}
    for secret in (expired, revoked, "cad_never", "\xe9"):
        answer = Client(headers={"Authorization": f"Bearer {secret}"}).get("/api/v1/tokens")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        causes[secret] = answer.json()["code"]

    assert list(causes.values()) == ["token-expired", "token-revoked", "token-unknown", "token-unknown"]


def test_a_token_without_the_scope_is_refused():
    answer = make_client(make_user(), scopes=[Scope.STORAGE_WRITE]).get("/api/v1/tokens")

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert answer.json()["detail"] == "The token needs the scope account:read."


def test_a_token_revokes_itself():
    bob = make_user()
    client = make_client(bob)
    token = ApiToken.objects.get()

    answer = client.delete(f"/api/v1/tokens/{token.id}")

    assert answer.status_code == 204
    assert client.get("/api/v1/tokens").json()["code"] == "token-revoked"


def test_carol_cannot_revoke_bobs_token():
    make_secret(make_user("bob"))
    bobs = ApiToken.objects.get()

    answer = make_client(make_user("carol")).delete(f"/api/v1/tokens/{bobs.id}")
    anonymous = Client().delete(f"/api/v1/tokens/{uuid.uuid4()}")

    assert (answer.status_code, answer.json()["code"]) == (404, "token-not-found")
    assert anonymous.status_code == 401
    bobs.refresh_from_db()
    assert bobs.revoked_at is None


def test_pages_follow_each_other_without_gap_or_repetition():
    bob = make_user()
    client = make_client(bob)
    for _ in range(4):
        make_secret(bob)

    seen, page = [], client.get("/api/v1/tokens?limit=2").json()
    seen += page["results"]
    while page["next"]:
        page = client.get(page["next"]).json()
        seen += page["results"]

    assert [row["id"] for row in seen] == [str(token.id) for token in ApiToken.objects.order_by("-created_at", "-id")]


def test_a_malformed_cursor_is_not_found():
    answer = make_client(make_user()).get("/api/v1/tokens?cursor=x")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
