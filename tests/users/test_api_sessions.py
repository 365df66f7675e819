"""A session on the pages as the API's credential: what it may do, and what other sites cannot do with it."""

import pytest
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory

from tests.factories.users import make_client, make_secret, make_user
from users.models import ApiToken, User
from users.scopes import Scope

pytestmark = pytest.mark.django_db

BALANCE, UPLOADS = "/api/v1/balance", "/api/v1/uploads"
TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "7"}
EMPTY_TYPE = "application/offset+octet-stream"


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def browser(bob: User) -> Client:
    """A browser in which Bob is signed in; the server checks CSRF tokens as browsers meet it."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    return client


def give_csrf_token(client: Client) -> str:
    """Give a browser the cookie of a CSRF token, as a page with a form does, and return the token."""
    request = RequestFactory().get("/")
    token: str = get_token(request)
    client.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
    return token


def test_a_session_reads_its_users_account(browser: Client):
    assert browser.get(BALANCE).json()["balance"] == {"amount_msat": 0}


def test_a_session_with_the_pages_csrf_token_changes_things(browser: Client):
    token = give_csrf_token(browser)

    assert browser.post(UPLOADS, b"", EMPTY_TYPE, headers={**TUS, "X-CSRFToken": token}).status_code == 201


@pytest.mark.parametrize(
    "headers", [{}, {"X-CSRFToken": "a" * 64}, {"X-CSRFToken": ""}], ids=["none", "wrong", "empty"]
)
def test_without_the_csrf_token_a_session_changes_nothing(browser: Client, headers: dict[str, str]):
    give_csrf_token(browser)

    answer = browser.post(UPLOADS, b"", EMPTY_TYPE, headers={**TUS, **headers})

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf-refused")


def test_a_token_in_a_form_does_not_count_and_the_form_is_not_read(browser: Client):
    token = give_csrf_token(browser)

    answer = browser.post(UPLOADS, {"csrfmiddlewaretoken": token}, headers=TUS)

    assert (answer.status_code, answer.json()["code"]) == (403, "csrf-refused")


def test_a_session_has_no_metrics_and_revokes_no_token(bob: User, browser: Client):
    bob.is_staff = True
    bob.save()
    make_secret(bob)
    stored = ApiToken.objects.get(user=bob)
    token = give_csrf_token(browser)

    assert browser.get("/metrics").status_code == 403
    assert browser.delete(f"/api/v1/tokens/{stored.id}", headers={"X-CSRFToken": token}).status_code == 403


def test_a_token_goes_before_the_session(browser: Client):
    carol = make_secret(make_user("carol"), scopes=[Scope.PAYMENTS_WRITE])

    assert browser.get(BALANCE, headers={"Authorization": f"Bearer {carol}"}).status_code == 403


def test_the_session_of_a_deactivated_user_is_none(bob: User, browser: Client):
    bob.is_active = False
    bob.save()

    assert browser.get(BALANCE).status_code == 401


def test_a_bad_token_is_refused_though_there_is_a_session(browser: Client):
    assert browser.get(BALANCE, headers={"Authorization": "Bearer cad_nonsense"}).json()["code"] == "token-unknown"


def test_a_program_needs_no_csrf_token():
    client = make_client(make_user("alice"))
    client.handler.enforce_csrf_checks = True

    assert client.post(UPLOADS, b"", EMPTY_TYPE, headers=TUS).status_code == 201
