"""What the tests of the pages need."""

import pytest
from django.test import Client

from tests.factories.users import make_user
from users.models import User


@pytest.fixture
def alice(db: None) -> User:
    """Who holds rights."""
    return make_user("alice")


@pytest.fixture
def bob(db: None) -> User:
    """Who publishes."""
    return make_user("bob")


@pytest.fixture
def carol(db: None) -> User:
    """A stranger, with an account and nothing else."""
    return make_user("carol")


@pytest.fixture
def reviewer(db: None) -> User:
    """Staff that may look at claims and decide them."""
    user = make_user("rita", is_staff=True)
    user.is_superuser = True
    user.save(update_fields=["is_superuser"])
    return user


@pytest.fixture
def desk(reviewer: User) -> Client:
    """The reviewer's browser, which checks CSRF tokens as browsers meet it."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(reviewer)
    return client
