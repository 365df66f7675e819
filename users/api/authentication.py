"""Who is asking: `Authorization: Bearer cad_...` (RFC 6750), or the cookie of a session on the site's pages."""

from dataclasses import dataclass
from typing import ClassVar

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.request import Request

from users.errors import CsrfRefusedError, TokenUnknownError
from users.models import ApiToken, User
from users.scopes import SESSION_SCOPES, Scope
from users.selectors import get_token

SCHEME = "Bearer"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class SiteSession:
    """The credential of somebody who signed in on the pages. Browsers send it by themselves, also for other sites."""

    scopes: ClassVar[tuple[Scope, ...]] = SESSION_SCOPES


Credential = ApiToken | SiteSession


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


class SiteSessionAuthentication(SessionAuthentication):
    """Finds the session that a browser's cookie names. What changes something must carry the page's CSRF token too."""

    def authenticate(self, request: Request) -> tuple[User, SiteSession] | None:
        """Return the user and the session, or None if nobody is signed in.

        Raises CsrfRefusedError if the request changes something and another site may have made the browser send it.
        """
        found = super().authenticate(request)
        return None if found is None else (found[0], SiteSession())

    def enforce_csrf(self, request: Request) -> None:
        """Compare the token in the header X-CSRFToken with that of the cookie.

        Django would look for it in a form as well, and read the body for that.
        """
        if request.method not in SAFE_METHODS and "X-CSRFToken" not in request.headers:
            raise CsrfRefusedError
        try:
            super().enforce_csrf(request)
        except exceptions.PermissionDenied as error:
            raise CsrfRefusedError from error


def get_user(request: Request) -> User:
    """Return the user of a request that a permission has let through with a token or a session."""
    assert isinstance(request.user, User), "the view's permissions must require a credential"
    return request.user


def get_request_token(request: Request) -> ApiToken:
    """Return the token of a request that a permission has let through with a token."""
    assert isinstance(request.auth, ApiToken), "the view's permissions must require a token"
    return request.auth
