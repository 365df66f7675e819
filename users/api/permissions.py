"""Who may ask. Nothing is allowed unless a view says so."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from users.api.authentication import Credential
from users.models import ApiToken, User
from users.scopes import Scope

if TYPE_CHECKING:
    # Django REST framework's views load the default permission, this module, while they are being imported.
    from rest_framework.views import APIView


class Denied(BasePermission):
    """Nobody: the default, so that a view that names no permission is closed."""

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - the hook's signature is fixed
        """Refuse."""
        return False


class Public(BasePermission):
    """Everybody, with or without a credential."""

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - the hook's signature is fixed
        """Allow."""
        return True


class HasToken(BasePermission):
    """Whoever has a token, whatever its scopes; a session is none."""

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - the hook's signature is fixed
        """Allow a request that carries an accepted token."""
        return isinstance(request.auth, ApiToken)


class Staff(BasePermission):
    """Whoever's token is a staff user's. Anybody can sign up, and a token has the scopes that its user asks for."""

    message = "Only staff may read this."

    def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - the hook's signature is fixed
        """Allow a request whose user is staff."""
        return isinstance(request.user, User) and request.user.is_staff


def HasScope(name: str) -> type[BasePermission]:  # noqa: N802 - it stands where Django REST framework expects a class
    """Return the permission that requires a token with this scope, or a session if sessions have it.

    Raises ValueError if there is no such scope.
    """
    scope = Scope(name)

    class HasThisScope(BasePermission):
        """Whoever has a credential with the scope."""

        message = f"The token needs the scope {scope}."
        code = "scope-missing"

        def has_permission(self, request: Request, view: "APIView") -> bool:  # noqa: ARG002 - the hook's signature is fixed
            """Allow a request whose credential carries the scope."""
            return isinstance(request.auth, Credential) and scope in request.auth.scopes

    return HasThisScope
