"""On what terms a link is made: price of a transfer, when it ends, and how many transfers it allows."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from client.errors import UsageError

TRANSFERS_MAX_MAX = 2**63 - 1
DURATION_DAYS_MAX = 36_500

_DURATION = re.compile("([1-9][0-9]{0,8})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


@dataclass(frozen=True)
class LinkTerms:
    """What the uploader asks for. `expires` is as it was typed: a duration like `7d`, or a time; None is for ever.

    A duration counts from the moment when the link is asked for, so the terms of a repeated command are the same.
    """

    price_msat: int = 0
    expires: str | None = None
    transfers_max: int | None = None

    def get_expiry(self, now: datetime) -> datetime | None:
        """Return when a link that is asked for now ends."""
        return None if self.expires is None else parse_expiry(self.expires, now=now)


def parse_expiry(text: str, *, now: datetime) -> datetime:
    """Return the time that a duration from now (`90m`, `12h`, `7d`) or a time (RFC 3339, with its zone) names.

    Raises UsageError for anything else, and for a time that is over.
    """
    if match := _DURATION.fullmatch(text):
        duration = int(match[1]) * _UNITS[match[2]]
        if duration > timedelta(days=DURATION_DAYS_MAX):
            raise UsageError(f"{text!r} is longer than {DURATION_DAYS_MAX} days.")
        return now + duration
    expiry = parse_time(text)
    if expiry is None:
        raise UsageError(f"{text!r} is neither a duration like 7d nor a time like 2030-01-31T12:00:00Z.")
    if expiry <= now:
        raise UsageError(f"{text!r} is over.")
    return expiry


def parse_time(text: str) -> datetime | None:
    """Return a time as RFC 3339 spells it, in UTC, or None if it is none."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time.astimezone(UTC) if time.tzinfo is not None else None


def format_time(time: datetime) -> str:
    """Return a time as RFC 3339 spells it, in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
