"""Primary keys made by the application: UUID version 7, so that they sort by time and need no sequence."""

import uuid

import uuid_utils


def make_key() -> uuid.UUID:
    """Return a new UUIDv7 (RFC 9562, section 5.7)."""
    return uuid.UUID(int=uuid_utils.uuid7().int)
