"""Exit codes of the command, and which error ends in which: the one table.

`cadastre verify` and `cadastre audit` use 0 to 3 and 70 as the standalone verifier does: there, 1 says "invalid".
"""

from client.errors import (
    ClientError,
    HiddenNameError,
    LinkError,
    NotAuthorizedError,
    NotSignedInError,
    PasswordError,
    PaymentRequiredError,
    PriceAboveMaxError,
    PriceNotAcceptedError,
    ProofNotReadyError,
    ServerUnavailableError,
    SourceError,
    UsageError,
)

DONE = 0
FAILED = 1
UNDECIDED = 2
USAGE = 3
PAYMENT_REQUIRED = 4
UNAVAILABLE = 5
NOT_SIGNED_IN = 6
FAULT = 70
INTERRUPTED = 130

# The first match counts: a subclass stands before its base.
_CODES: tuple[tuple[type[ClientError], int], ...] = (
    (ProofNotReadyError, UNDECIDED),
    (PasswordError, FAILED),
    (UsageError, USAGE),
    (LinkError, USAGE),
    (HiddenNameError, USAGE),
    (SourceError, USAGE),
    (PaymentRequiredError, PAYMENT_REQUIRED),
    (PriceAboveMaxError, PAYMENT_REQUIRED),
    (PriceNotAcceptedError, PAYMENT_REQUIRED),
    (ServerUnavailableError, UNAVAILABLE),
    (NotAuthorizedError, NOT_SIGNED_IN),
    (NotSignedInError, NOT_SIGNED_IN),
)


def get_exit_code(error: ClientError) -> int:
    """Return the exit code for an error; whatever is not listed is a plain failure."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)
