"""The own files: what they show, how they are changed and deleted, and that nobody else's are touched."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from storage.models import Link
from tests.factories.registry import make_linked_record
from tests.factories.storage import make_blob, make_link
from tests.web.readers import read_text
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(bob: User) -> Client:
    """The browser in which Bob is signed in."""
    client = Client()
    client.force_login(bob)
    return client


def test_a_stranger_has_to_sign_in_first(client: Client, bob: User):
    link = make_link(bob)

    for address in ("/files/", f"/files/{link.id}/change"):
        assert client.get(address).headers["Location"] == f"/sign-in?next={address}"
    assert client.post(f"/files/{link.id}/delete").headers["Location"].startswith("/sign-in")


def test_the_own_links_are_listed_with_price_limits_and_proof(browser: Client, bob: User):
    link, _ = make_linked_record(bob, price_msat=2_500)
    expires_at = timezone.now() + timedelta(days=1)
    Link.objects.filter(id=link.id).update(transfers_max=3, transfers_used=1, expires_at=expires_at)

    text = read_text(browser.get("/files/"))

    assert str(link.id) in text
    assert "Price 2,500 msat (2.5 sat)" in text
    assert "Transfers 1 of 3" in text
    assert f"Expires {expires_at:%Y-%m-%d %H:%M:%S} UTC" in text
    assert "Proof REGISTERED" in text


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expired"),
        ({"transfers_max": 1, "transfers_used": 1}, "used up"),
        ({"disabled_at": timezone.now()}, "disabled"),
    ],
    ids=["expired", "used up", "disabled"],
)
def test_a_link_that_has_ended_says_why(browser: Client, bob: User, columns: dict[str, object], word: str):
    Link.objects.filter(id=make_link(bob).id).update(**columns)

    assert f" {word} " in read_text(browser.get("/files/"))


def test_nobody_sees_the_links_of_others(bob: User, carol: User):
    link = make_link(bob)
    client = Client()
    client.force_login(carol)

    assert str(link.id) not in client.get("/files/").content.decode()
    assert client.get(f"/files/{link.id}/change").status_code == 404
    assert client.post(f"/files/{link.id}/change", {"price_sat": "0"}).status_code == 404
    assert client.post(f"/files/{link.id}/delete").status_code == 404
    link.refresh_from_db()
    assert link.deleted_at is None


def test_the_list_goes_on_over_pages(browser: Client, bob: User):
    links = [make_link(bob, blob=make_blob(f"{number}".encode())) for number in range(27)]

    first = browser.get("/files/").content.decode()
    assert str(links[2].id) in first
    assert str(links[1].id) not in first
    second = browser.get("/files/", {"before": str(links[2].id)}).content.decode()
    assert str(links[0].id) in second
    assert "Older" not in second
    assert browser.get("/files/", {"before": "nonsense"}).status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_list(browser: Client, bob: User, django_assert_max_num_queries):
    for number in range(10):
        make_link(bob, blob=make_blob(f"{number}".encode()))

    with django_assert_max_num_queries(8):
        browser.get("/files/")


def test_price_and_limits_are_changed(browser: Client, bob: User):
    link = make_link(bob)

    answer = browser.post(
        f"/files/{link.id}/change", {"price_sat": "2.5", "expires_at": "2999-01-01T10:00", "transfers_max": "4"}
    )
    assert answer.status_code == 422, "more than a hundred years"
    answer = browser.post(
        f"/files/{link.id}/change", {"price_sat": "2.5", "expires_at": "2099-01-01T10:00", "transfers_max": "4"}
    )

    assert answer.headers["Location"] == "/files/"
    link.refresh_from_db()
    assert (link.price_msat, link.transfers_max) == (2_500, 4)
    assert link.expires_at is not None
    assert f"{link.expires_at:%Y-%m-%dT%H:%M}" == "2099-01-01T10:00"


def test_the_form_shows_what_is(browser: Client, bob: User):
    link = make_link(bob, price_msat=1_250)

    html = browser.get(f"/files/{link.id}/change").content.decode()

    assert 'value="1.25"' in html


@pytest.mark.parametrize(
    "given",
    [{"price_sat": "-1"}, {"price_sat": "0.0001"}, {"price_sat": ""}, {"price_sat": "1", "transfers_max": "0"}],
    ids=["negative", "too fine", "no price", "no transfers"],
)
def test_what_makes_no_sense_changes_nothing(browser: Client, bob: User, given: dict[str, str]):
    link = make_link(bob, price_msat=1_000)

    assert browser.post(f"/files/{link.id}/change", given).status_code == 422
    link.refresh_from_db()
    assert (link.price_msat, link.transfers_max) == (1_000, None)


def test_a_link_is_deleted_and_its_page_says_so(browser: Client, bob: User):
    link = make_link(bob)

    assert browser.post(f"/files/{link.id}/delete", follow=True).status_code == 200

    page = browser.get(f"/f/{link.id}")
    assert page.status_code == 410
    assert "Whoever shared it has deleted it." in read_text(page)
    assert str(link.id) not in browser.get("/files/").content.decode()


def test_a_link_that_does_not_exist_is_not_found(browser: Client):
    assert browser.get(f"/files/{uuid4()}/change").status_code == 404
