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


ALL_SCOPES = tuple(Scope)
