"""What can go wrong with people, their tokens and their repeated requests; all descend from UsersError."""

from collections.abc import Mapping, Sequence


class UsersError(Exception):
    """The request about a user could not be carried out."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class AccountRefusedError(UsersError):
    """The details of the new user are not acceptable."""

    def __init__(self, messages: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.messages = messages


class UsernameTakenError(UsersError):
    """Another user has this name."""


class CredentialsRefusedError(UsersError):
    """The username or the password is wrong."""


class TokenRefusedError(UsersError):
    """The token is not accepted."""


class TokenUnknownError(TokenRefusedError):
    """No such token was ever issued."""


class TokenExpiredError(TokenRefusedError):
    """The token's time is over; sign in for a new one."""


class TokenRevokedError(TokenRefusedError):
    """The token was revoked."""


class UserInactiveError(TokenRefusedError):
    """The token's user was deactivated."""


class CsrfRefusedError(UsersError):
    """The session's request carries no valid X-CSRFToken header, so another site may have sent it."""


class TooManyAttemptsError(UsersError):
    """Too many attempts; try again later."""

    def __init__(self, wait_s: int) -> None:
        super().__init__()
        self.wait_s = wait_s


class TokenNotFoundError(UsersError):
    """You have no token with this id."""


class TokenTooWeakError(UsersError):
    """A token can revoke itself and those whose scopes it has, no other."""


class IdempotencyKeyMissingError(UsersError):
    """This request needs an Idempotency-Key header."""


class IdempotencyKeyMalformedError(UsersError):
    """An Idempotency-Key is 1 to 200 visible ASCII characters."""


class IdempotencyKeyInFlightError(UsersError):
    """The first request under this Idempotency-Key is still being answered."""


class IdempotencyKeyReusedError(UsersError):
    """This Idempotency-Key was used for another request."""
