"""Looks up people's tokens."""

import uuid
from datetime import datetime

from django.db.models import QuerySet

from users.errors import TokenExpiredError, TokenRevokedError, TokenUnknownError, UserInactiveError
from users.models import ApiToken
from users.services.tokens import hash_secret


def get_token(*, secret: str, now: datetime) -> ApiToken:
    """Return the token with this secret, its user loaded.

    Raises TokenUnknownError, TokenRevokedError, TokenExpiredError or UserInactiveError if it is not accepted.
    """
    token = ApiToken.objects.select_related("user").filter(token_sha256=hash_secret(secret)).first()
    if token is None:
        raise TokenUnknownError
    if token.revoked_at is not None:
        raise TokenRevokedError
    if token.expires_at <= now:
        raise TokenExpiredError
    if not token.user.is_active:
        raise UserInactiveError
    return token


def list_tokens(*, user_id: uuid.UUID) -> QuerySet[ApiToken]:
    """Return a user's tokens, the newest first, revoked and expired ones included."""
    return ApiToken.objects.filter(user_id=user_id)
