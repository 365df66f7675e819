"""The one rule about transactions that services share: a step runs inside its use case's transaction."""

from django.db import transaction


class TransactionRequiredError(RuntimeError):
    """A step was called outside its use case's transaction."""


def require_transaction() -> None:
    """Check that a transaction is open.

    Raises TransactionRequiredError if none is: a step that ran alone would commit half of its use case.
    """
    if not transaction.get_connection().in_atomic_block:
        raise TransactionRequiredError
