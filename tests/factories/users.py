"""Users of the cast, their tokens, and clients that send them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.test import Client

from users.models import User
from users.scopes import ALL_SCOPES, Scope
from users.services.tokens import create_token

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def make_user(username: str = "bob", *, is_active: bool = True, is_staff: bool = False) -> User:
    """Return a user without a password, for hashing one takes long."""
    user = User(username=username, is_active=is_active, is_staff=is_staff)
    user.set_unusable_password()
    user.save()
    return user


def make_secret(user: User, *, scopes: Sequence[Scope] = ALL_SCOPES, now: datetime | None = None) -> str:
    """Return the secret of a new token that is valid at the present time, unless `now` sets when it was made."""
    return create_token(user=user, name="test", scopes=scopes, now=now or datetime.now(UTC)).secret


def make_client(user: User | None = None, *, scopes: Sequence[Scope] = ALL_SCOPES) -> Client:
    """Return a test client that sends a new token of the user, or none."""
    if user is None:
        return Client()
    return Client(headers={"Authorization": f"Bearer {make_secret(user, scopes=scopes)}"})
