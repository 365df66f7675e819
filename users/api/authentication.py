"""Who is asking: `Authorization: Bearer cad_...` (RFC 6750), and nothing else."""

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request

from users.errors import TokenUnknownError
from users.models import ApiToken, User
from users.selectors import get_token

SCHEME = "Bearer"


class TokenAuthentication(BaseAuthentication):
    """Finds the token that a request carries. A request without one is anonymous; one with a bad token is refused."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """Return the user and the token, or None if the request carries no bearer token.

        Raises TokenRefusedError if it carries one that is not accepted.
        """
        scheme, _, secret = get_authorization_header(request).partition(b" ")
        if scheme.lower() != SCHEME.lower().encode("ascii"):
            return None
        try:
            text = secret.strip().decode("ascii")
        except UnicodeDecodeError as error:
            raise TokenUnknownError from error
        token = get_token(secret=text, now=timezone.now())
        return token.user, token

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the hook's signature is fixed
        """Return the WWW-Authenticate header of a 401 answer."""
        return SCHEME


def get_user(request: Request) -> User:
    """Return the user of a request that a permission has let through with a token."""
    assert isinstance(request.user, User), "the view's permissions must require a token"
    return request.user


def get_request_token(request: Request) -> ApiToken:
    """Return the token of a request that a permission has let through with a token."""
    assert isinstance(request.auth, ApiToken), "the view's permissions must require a token"
    return request.auth
