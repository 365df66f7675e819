"""Signing up, in and out on the pages, and choosing a language."""

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.web.readers import read_text
from users.models import User
from users.services.accounts import create_user

pytestmark = pytest.mark.django_db

PASSWORD = "a long sentence"


@pytest.fixture(autouse=True)
def no_attempts_yet() -> None:
    """Forget the attempts of other tests."""
    cache.clear()


@pytest.fixture
def dora() -> User:
    """A person with a password."""
    return create_user(username="dora", password=PASSWORD, email="", now=timezone.now())


def sign_in(client: Client, **given: str):
    """Send the form."""
    return client.post("/sign-in", {"username": "dora", "password": PASSWORD, **given})


def test_signing_in_leads_to_the_own_files_and_shows_the_name(client: Client, dora: User):
    answer = sign_in(client)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/files/")
    assert "dora Sign out" in read_text(client.get("/"))


def test_signing_in_leads_to_where_one_wanted_to_go(client: Client, dora: User):
    assert sign_in(client, next="/upload").headers["Location"] == "/upload"


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http:///evil.example", "\\\\evil"]
)
def test_signing_in_never_leads_to_another_site(client: Client, dora: User, address: str):
    assert sign_in(client, next=address).headers["Location"] == "/files/"
    assert 'name="next" value="/files/"' in client.get("/sign-in", {"next": address}).content.decode()


def test_a_wrong_password_and_an_unknown_name_look_the_same(client: Client, dora: User):
    wrong, unknown = sign_in(client, password="wrong"), sign_in(client, username="zacharias")

    assert wrong.status_code == unknown.status_code == 422
    assert "The username or the password is wrong." in read_text(wrong)
    assert read_text(wrong).replace("dora", "") == read_text(unknown).replace("zacharias", "")
    assert "_auth_user_id" not in client.session


def test_a_deactivated_user_cannot_sign_in(client: Client, dora: User):
    dora.is_active = False
    dora.save()

    assert sign_in(client).status_code == 422


def test_a_session_gets_a_new_key_when_somebody_signs_in(client: Client, dora: User):
    session = client.session
    session["before"] = True
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    before = session.session_key

    sign_in(client)

    assert client.session.session_key != before


def test_guessing_is_slowed_down_together_with_the_api(client: Client, dora: User):
    for _ in range(30):
        sign_in(client, password="wrong")
        client.post("/api/v1/tokens", {"username": "dora", "password": "x", "name": "x"}, "application/json")

    answer = sign_in(client)

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "Too many attempts from your address." in read_text(answer)
    assert client.post("/api/v1/tokens", {"username": "dora"}, "application/json").status_code == 429


def test_signing_up_makes_an_account_and_signs_in(client: Client):
    answer = client.post("/sign-up", {"username": "erik", "password": PASSWORD, "email": "", "next": "/upload"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/upload")
    assert str(User.objects.get(username="erik").pk) == client.session["_auth_user_id"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"password": "short"}, "too short"),
        ({"password": "1234567890123"}, "entirely numeric"),
        ({"password": "password1"}, "too common"),
        ({"password": "erik-the-viking", "username": "erik-the-viking"}, "too similar"),
        ({"username": "not a name!"}, "Enter a valid username."),
        ({"username": ""}, "This field is required."),
        ({"email": "nowhere"}, "Enter a valid email address."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_acceptable_is_said_beside_the_field(client: Client, given: dict[str, str], message: str):
    answer = client.post("/sign-up", {"username": "erik", "password": PASSWORD, "email": "", **given})

    assert answer.status_code == 422
    assert message in read_text(answer)
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not User.objects.exists()


def test_a_name_in_another_case_is_taken(client: Client, dora: User):
    answer = client.post("/sign-up", {"username": "DORA", "password": PASSWORD, "email": ""})

    assert "Somebody else has this username." in read_text(answer)


def test_sign_ups_are_slowed_down(client: Client):
    for _ in range(20):
        client.post("/sign-up", {"username": "x", "password": "short", "email": ""})

    assert client.post("/sign-up", {"username": "erik", "password": PASSWORD, "email": ""}).status_code == 429


def test_a_password_is_never_sent_back(client: Client, dora: User):
    assert "secret-guess" not in sign_in(client, password="secret-guess").content.decode()


def test_signing_out_takes_a_form_and_ends_the_session(client: Client, dora: User):
    sign_in(client)

    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out").headers["Location"] == "/"
    assert client.get("/files/").headers["Location"] == "/sign-in?next=/files/"


@pytest.mark.parametrize("address", ["/sign-in", "/sign-up", "/sign-out"])
def test_another_sites_form_is_refused(dora: User, address: str):
    client = Client(enforce_csrf_checks=True)
    client.force_login(dora)

    assert client.post(address, {"username": "dora", "password": PASSWORD}).status_code == 403


def test_the_forms_are_not_kept_by_caches(client: Client):
    assert "no-store" in client.get("/sign-in").headers["Cache-Control"]


def test_a_language_is_remembered(client: Client):
    answer = client.post("/language", {"language": "fr", "next": "/sign-in"})

    assert answer.headers["Location"] == "/sign-in"
    assert "Se connecter" in read_text(client.get("/sign-in"))


def test_choosing_a_language_never_leads_to_another_site(client: Client):
    answer = client.post("/language", {"language": "fr", "next": "https://evil.example/"})

    assert answer.headers["Location"] == "/"


def test_in_production_the_cookies_travel_over_https_alone(settings: Settings):
    assert settings.SESSION_COOKIE_HTTPONLY
    assert settings.SESSION_COOKIE_SAMESITE == "Lax"
