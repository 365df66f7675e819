"""What an API token may do. A scope's name is public and never changes its meaning."""

from enum import StrEnum


class Scope(StrEnum):
    """One permission that a token carries."""

    STORAGE_WRITE = "storage:write"
    PAYMENTS_WRITE = "payments:write"
    ACCOUNT_READ = "account:read"
    RECORDS_WRITE = "records:write"
    RIGHTS_WRITE = "rights:write"
    PAYOUTS_WRITE = "payouts:write"
    METRICS_READ = "metrics:read"


ALL_SCOPES = tuple(Scope)

SESSION_SCOPES = tuple(scope for scope in Scope if scope != Scope.METRICS_READ)
"""What a session on the site's pages may do: all that the pages need, and metrics are for machines."""
