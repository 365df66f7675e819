"""API tokens: `cad_` and 32 random bytes in base64url. The server keeps only the SHA-256 of the whole text."""

import base64
import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.contrib.auth import authenticate
from django.db import transaction

from users.errors import CredentialsRefusedError, TokenNotFoundError, TokenTooWeakError
from users.models import ApiToken, User
from users.scopes import ALL_SCOPES, Scope

TOKEN_PREFIX = "cad_"  # noqa: S105 - it lets scanners recognise a leaked token and is no secret
TOKEN_BYTES = 32
TOKEN_LIFETIME = timedelta(days=365)


@dataclass(frozen=True)
class NewToken:
    """A token at the only moment when its secret can be shown."""

    token: ApiToken
    secret: str = field(repr=False)


def hash_secret(secret: str) -> bytes:
    """Return what is stored of a secret: 32 bytes.

    One unsalted SHA-256 suffices: the secret has 256 random bits, so there is nothing to guess.
    """
    return hashlib.sha256(secret.encode("utf-8", errors="surrogatepass")).digest()


def create_token(*, user: User, name: str, now: datetime, scopes: Sequence[Scope] = ALL_SCOPES) -> NewToken:
    """Issue a token to a user who has proved who they are; it expires after TOKEN_LIFETIME.

    Raises ValueError if a scope does not exist.
    """
    secret = TOKEN_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(TOKEN_BYTES)).rstrip(b"=").decode("ascii")
    token = ApiToken(
        user=user,
        name=name,
        token_sha256=hash_secret(secret),
        scopes=sorted({str(Scope(scope)) for scope in scopes}),
        created_at=now,
        expires_at=now + TOKEN_LIFETIME,
    )
    with transaction.atomic(durable=True):
        token.save(force_insert=True)
    return NewToken(token, secret)


def sign_in(
    *, username: str, password: str, name: str, now: datetime, scopes: Sequence[Scope] = ALL_SCOPES
) -> NewToken:
    """Issue a token to whoever knows the password.

    Raises CredentialsRefusedError if name and password do not belong together or the user is inactive. An unknown name
    costs as much time as a wrong password: the backend hashes in both cases.
    """
    user = authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise CredentialsRefusedError
    return create_token(user=user, name=name, now=now, scopes=scopes)


def revoke_token(*, token_id: uuid.UUID, acting: ApiToken, now: datetime) -> ApiToken:
    """Revoke one of the own tokens by means of another, or of itself. Revoking it again changes nothing.

    Raises TokenNotFoundError if the acting token's user has no such token, TokenTooWeakError if that token may do what
    the acting one may not.
    """
    with transaction.atomic(durable=True):
        token = ApiToken.objects.filter(id=token_id, user_id=acting.user_id).first()
        if token is None:
            raise TokenNotFoundError
        if token.id != acting.id and not set(token.scopes) <= set(acting.scopes):
            raise TokenTooWeakError
        ApiToken.objects.filter(id=token.id, revoked_at=None).update(revoked_at=now)
    token.refresh_from_db()
    return token


def revoke_token_as_staff(*, token_id: uuid.UUID, now: datetime) -> None:
    """Revoke anybody's token.

    Raises TokenNotFoundError if there is none that still stands.
    """
    with transaction.atomic(durable=True):
        if not ApiToken.objects.filter(id=token_id, revoked_at=None).update(revoked_at=now):
            raise TokenNotFoundError("The token does not exist or was revoked before.")
