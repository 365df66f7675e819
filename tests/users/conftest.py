"""What the tests of users need: passwords that hash fast, and throttles that have counted nothing yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from pytest_django import Settings


@pytest.fixture(autouse=True, scope="session")
def static_root() -> None:
    """Make the directory of static files: WhiteNoise warns when it is missing, and warnings are errors."""
    Path(django_settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def fast_passwords(settings: Settings) -> None:
    """Hash passwords fast: tests make many."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def fresh_throttles() -> Iterator[None]:
    """Forget what other tests asked for."""
    cache.clear()
    yield
    cache.clear()
