"""The admin's pages of users."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.factories.users import NOW, make_secret, make_user
from users.models import ApiToken, IdempotencyKey

pytestmark = pytest.mark.django_db


def make_rows(number: int) -> None:
    for index in range(number):
        user = make_user(f"user{index}")
        make_secret(user)
        IdempotencyKey.objects.create(user=user, key="k", path="/p", body_sha256=bytes(32), created_at=NOW)


@pytest.mark.parametrize("page", ["user", "apitoken", "idempotencykey"])
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    page: str, admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
):
    make_rows(12)

    with django_assert_max_num_queries(8):
        answer = admin_client.get(f"/admin/users/{page}/?q=user")

    assert answer.status_code == 200
    assert b"user11" in answer.content


def test_an_admin_revokes_tokens_and_learns_which_did_not_stand(admin_client: Client):
    make_secret(make_user())
    token = ApiToken.objects.get()
    form = {"action": "revoke", "_selected_action": [str(token.id)]}

    first = admin_client.post("/admin/users/apitoken/", form, follow=True)
    second = admin_client.post("/admin/users/apitoken/", form, follow=True)

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert b"The token test was revoked." in first.content
    assert b"was revoked before" in second.content


def test_a_token_can_be_looked_at_but_not_made_or_changed(admin_client: Client):
    make_secret(make_user())
    token = ApiToken.objects.get()

    assert admin_client.get(f"/admin/users/apitoken/{token.id}/change/").status_code == 200
    assert admin_client.post(f"/admin/users/apitoken/{token.id}/change/", {"name": "x"}).status_code == 403
    assert admin_client.get("/admin/users/apitoken/add/").status_code == 403


def test_carol_does_not_get_in(client: Client):
    client.force_login(make_user("carol"))

    assert client.get("/admin/users/apitoken/").status_code == 302
