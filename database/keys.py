"""Primary keys made by the application: UUID version 7, so that they sort by time and need no sequence."""

import uuid

import uuid_utils

RANGE_BITS = 20
"""A range of keys counts in the last bits; 54 of a key's random bits are left, anew for each range."""


def make_key() -> uuid.UUID:
    """Return a new UUIDv7 (RFC 9562, section 5.7)."""
    return uuid.UUID(int=uuid_utils.uuid7().int)


def make_key_range(count: int) -> uuid.UUID:
    """Return the first of `count` consecutive UUIDv7s, at most 2**20: the others follow by adding 1.

    The last bits count, as RFC 9562, section 6.2, has it for keys that are made in one go.
    Raises ValueError if the range cannot hold so many.
    """
    if not 0 < count <= 1 << RANGE_BITS:
        raise ValueError(f"a range holds 1 to {1 << RANGE_BITS} keys")
    return uuid.UUID(int=make_key().int >> RANGE_BITS << RANGE_BITS)
