"""Replays an exported ledger from its first entry to every account's totals, checking each rule on the way.

The export is one JSON object a line, in the order of posting; docs/reference/ledger.md has its members.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from payouts.rules.errors import ReplayError
from registry.proof.errors import MalformedDocumentError
from registry.proof.jcs import parse_strict

AMOUNT_LIMIT = 2**63
AMOUNT_PATTERN = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


@dataclass
class AccountTotals:
    """What was posted to one account, in millisatoshi."""

    debits_msat: int = 0
    credits_msat: int = 0

    @property
    def balance_msat(self) -> int:
        """Credits less debits."""
        return self.credits_msat - self.debits_msat


@dataclass(frozen=True, slots=True)
class ReplayedPosting:
    """One line of an entry, from the debit account to the credit account."""

    debit: str
    credit: str
    amount_msat: int


@dataclass
class Replay:
    """The state of a replay: totals by account code, and every entry's postings by source key."""

    accounts: dict[str, AccountTotals] = field(default_factory=dict)
    entries: dict[str, tuple[ReplayedPosting, ...]] = field(default_factory=dict)
    reversed_keys: set[str] = field(default_factory=set)

    def apply(self, line: bytes) -> None:
        """Apply one line of the export.

        Raises ReplayError if the line is malformed, repeats a source key, holds no posting, or reverses wrongly.
        """
        members = _read_members(line)
        key, reverses = members["source_key"], members["reverses"]
        if not isinstance(key, str) or not key:
            raise ReplayError("an entry has no source key")
        if key in self.entries:
            raise ReplayError(f"the entry {key} is there twice")
        postings = _read_postings(members["postings"], key)
        if reverses is not None:
            self._check_reversal(reverses, postings)
        self.entries[key] = postings
        for posting in postings:
            self.accounts.setdefault(posting.debit, AccountTotals()).debits_msat += posting.amount_msat
            self.accounts.setdefault(posting.credit, AccountTotals()).credits_msat += posting.amount_msat

    def _check_reversal(self, reverses: object, postings: tuple[ReplayedPosting, ...]) -> None:
        if not isinstance(reverses, str) or reverses not in self.entries:
            raise ReplayError(f"an entry reverses {reverses!r}, which was not posted before it")
        if reverses in self.reversed_keys:
            raise ReplayError(f"the entry {reverses} is reversed twice")
        mirrored = [(item.credit, item.debit, item.amount_msat) for item in self.entries[reverses]]
        if sorted(mirrored) != sorted((item.debit, item.credit, item.amount_msat) for item in postings):
            raise ReplayError(f"the reversal of {reverses} is not its mirror image")
        self.reversed_keys.add(reverses)


def replay_ledger(lines: Iterable[bytes]) -> dict[str, AccountTotals]:
    """Return every account's totals by its code. Raises ReplayError if a line breaks a rule."""
    replay = Replay()
    for line in lines:
        replay.apply(line)
    return replay.accounts


def _read_members(line: bytes) -> dict[str, object]:
    try:
        members = parse_strict(line)
    except MalformedDocumentError as error:
        raise ReplayError(f"a line is not JSON: {error}") from error
    if not isinstance(members, dict) or not {"source_key", "reverses", "postings"} <= members.keys():
        raise ReplayError("a line is not an entry")
    return members


def _read_postings(value: object, key: str) -> tuple[ReplayedPosting, ...]:
    if not isinstance(value, list) or not value:
        raise ReplayError(f"the entry {key} has no posting")
    return tuple(_read_posting(item, key) for item in value)


def _read_posting(value: object, key: str) -> ReplayedPosting:
    parts = [value.get(name) for name in ("debit", "credit", "amount_msat")] if isinstance(value, dict) else []
    if not parts or not all(isinstance(part, str) and part for part in parts):
        raise ReplayError(f"a posting of {key} lacks an account or its amount")
    debit, credit, digits = (str(part) for part in parts)
    if debit == credit:
        raise ReplayError(f"a posting of {key} stays on {debit}")
    if AMOUNT_PATTERN.fullmatch(digits) is None or int(digits) >= AMOUNT_LIMIT:
        raise ReplayError(f"a posting of {key} has the amount {digits[:40]!r}")
    return ReplayedPosting(debit, credit, int(digits))
