"""Tokens: issued, accepted, expired, revoked."""

import re
import uuid
from datetime import timedelta

import pytest

from tests.factories.users import NOW, make_user
from users.errors import (
    CredentialsRefusedError,
    TokenExpiredError,
    TokenNotFoundError,
    TokenRevokedError,
    TokenTooWeakError,
    TokenUnknownError,
    UserInactiveError,
)
from users.scopes import ALL_SCOPES, Scope
from users.selectors import get_token, list_tokens
from users.services.accounts import create_user
from users.services.tokens import create_token, hash_secret, revoke_token, revoke_token_as_staff, sign_in

PASSWORD = "correct horse battery"

pytestmark = pytest.mark.django_db


def test_a_token_is_32_random_bytes_and_only_its_hash_is_stored():
    new = create_token(user=make_user(), name="laptop", now=NOW)

    assert re.fullmatch("cad_[A-Za-z0-9_-]{43}", new.secret)
    assert bytes(new.token.token_sha256) == hash_secret(new.secret)
    assert new.secret not in repr(new)
    assert new.token.expires_at == NOW + timedelta(days=365)


def test_a_token_has_all_scopes_unless_some_are_named():
    bob = make_user()

    full = create_token(user=bob, name="full", now=NOW)
    narrow = create_token(user=bob, name="narrow", now=NOW, scopes=[Scope.ACCOUNT_READ, Scope.ACCOUNT_READ])

    assert full.token.scopes == sorted(ALL_SCOPES)
    assert narrow.token.scopes == ["account:read"]


def test_accepts_a_token_to_its_last_moment_and_not_beyond():
    new = create_token(user=make_user(), name="laptop", now=NOW)

    assert get_token(secret=new.secret, now=new.token.expires_at - timedelta(microseconds=1)) == new.token
    with pytest.raises(TokenExpiredError):
        get_token(secret=new.secret, now=new.token.expires_at)


@pytest.mark.parametrize("secret", ["", "cad_", "cad_" + "A" * 43, "\ud800"])
def test_refuses_a_token_that_was_never_issued(secret: str):
    with pytest.raises(TokenUnknownError):
        get_token(secret=secret, now=NOW)


def test_refuses_the_token_of_a_deactivated_user():
    new = create_token(user=make_user(is_active=False), name="laptop", now=NOW)

    with pytest.raises(UserInactiveError):
        get_token(secret=new.secret, now=NOW)


def test_signs_in_with_the_right_password_only():
    create_user(username="bob", password=PASSWORD, email="", now=NOW)

    assert sign_in(username="bob", password=PASSWORD, name="laptop", now=NOW).token.user.username == "bob"
    for username, password in (("bob", "wrong"), ("carol", PASSWORD), ("bob", "")):
        with pytest.raises(CredentialsRefusedError):
            sign_in(username=username, password=password, name="laptop", now=NOW)


def test_an_inactive_user_cannot_sign_in():
    user = create_user(username="bob", password=PASSWORD, email="", now=NOW)
    user.is_active = False
    user.save()

    with pytest.raises(CredentialsRefusedError):
        sign_in(username="bob", password=PASSWORD, name="laptop", now=NOW)


def test_a_revoked_token_is_refused_and_keeps_its_first_date_of_revocation():
    new = create_token(user=make_user(), name="laptop", now=NOW)

    revoke_token(token_id=new.token.id, acting=new.token, now=NOW)
    again = revoke_token(token_id=new.token.id, acting=new.token, now=NOW + timedelta(days=1))

    assert again.revoked_at == NOW
    with pytest.raises(TokenRevokedError):
        get_token(secret=new.secret, now=NOW)


def test_a_token_revokes_another_only_if_it_may_do_as_much():
    bob = make_user()
    full = create_token(user=bob, name="full", now=NOW).token
    narrow = create_token(user=bob, name="narrow", now=NOW, scopes=[Scope.ACCOUNT_READ]).token

    with pytest.raises(TokenTooWeakError):
        revoke_token(token_id=full.id, acting=narrow, now=NOW)
    assert revoke_token(token_id=narrow.id, acting=full, now=NOW).revoked_at == NOW


def test_carol_cannot_revoke_bobs_token_nor_see_it():
    bobs = create_token(user=make_user("bob"), name="laptop", now=NOW).token
    carols = create_token(user=make_user("carol"), name="laptop", now=NOW).token

    with pytest.raises(TokenNotFoundError):
        revoke_token(token_id=bobs.id, acting=carols, now=NOW)
    assert list(list_tokens(user_id=carols.user_id)) == [carols]


def test_staff_cannot_revoke_what_does_not_stand():
    token = create_token(user=make_user(), name="laptop", now=NOW).token
    revoke_token_as_staff(token_id=token.id, now=NOW)

    for token_id in (token.id, uuid.uuid4()):
        with pytest.raises(TokenNotFoundError):
            revoke_token_as_staff(token_id=token_id, now=NOW)
