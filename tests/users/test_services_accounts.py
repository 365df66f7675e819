"""Sign-up."""

import pytest
from django.db import IntegrityError, transaction

from tests.factories.users import NOW
from users.errors import AccountRefusedError, UsernameTakenError
from users.models import User
from users.services.accounts import create_user

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


def test_creates_a_user_who_can_sign_in():
    user = create_user(username="bob", password=PASSWORD, email="", now=NOW)

    assert user.check_password(PASSWORD)
    assert user.date_joined == NOW
    assert User.objects.get() == user


@pytest.mark.parametrize("username", ["bob", "Bob", "BOB"])
def test_refuses_a_name_that_is_taken_in_any_case(username: str):
    create_user(username="bob", password=PASSWORD, email="", now=NOW)

    with pytest.raises(UsernameTakenError):
        create_user(username=username, password=PASSWORD, email="", now=NOW)


def test_refuses_a_weak_password_and_says_why():
    with pytest.raises(AccountRefusedError) as caught:
        create_user(username="bob", password="12345", email="", now=NOW)

    assert len(caught.value.messages["password"]) == 3
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("field", "username", "email"), [("username", "b b", ""), ("username", "", ""), ("email", "bob", "nowhere")]
)
def test_refuses_a_malformed_field(field: str, username: str, email: str):
    with pytest.raises(AccountRefusedError) as caught:
        create_user(username=username, password=PASSWORD, email=email, now=NOW)

    assert list(caught.value.messages) == [field]


def test_the_database_itself_refuses_a_name_in_another_case():
    User.objects.create(username="bob")

    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create(username="BOB")
