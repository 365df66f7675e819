"""Finds submissions, and writes their receipts from what is stored."""

import json
from collections.abc import Iterator
from uuid import UUID

from registry.models import Record, Submission

RECEIPTS_AT_ONCE = 2_000


class ReceiptsIncompleteError(RuntimeError):
    """A submission has fewer records than it counts: the database was changed by hand."""


def find_submission(*, user_id: UUID, key: str) -> Submission | None:
    """Return the submission that a user made under an Idempotency-Key, or None."""
    return Submission.objects.filter(user_id=user_id, key=key).first()


def iterate_receipts(submission: Submission) -> Iterator[bytes]:
    """Yield the receipts as NDJSON in the order of the lines, many in a piece, read from the stored records.

    A receipt has all that its record's leaf is made from. Raises ReceiptsIncompleteError if a record is missing.
    """
    first = submission.first_id.int
    # They are the same for all: one user, one moment.
    shared = Record.objects.values_list("details", flat=True).get(id=submission.first_id)
    details = json.dumps(shared, separators=(",", ":")).encode()
    for start in range(0, submission.count, RECEIPTS_AT_ONCE):
        count = min(RECEIPTS_AT_ONCE, submission.count - start)
        ids = (UUID(int=first + start), UUID(int=first + start + count - 1))
        records = Record.objects.filter(id__range=ids).order_by("id")
        rows = list(records.values_list("id", "sha256", "leaf", "details_salt"))
        if len(rows) != count:
            raise ReceiptsIncompleteError
        yield b"".join(
            b'{"line":%d,"record":"%s","sha256":"sha256:%s","leaf":"%s","details_salt":"%s","details":%s}\n'
            % (
                number,
                str(record_id).encode(),
                sha256.hex().encode(),
                leaf.hex().encode(),
                salt.hex().encode(),
                details,
            )
            for number, (record_id, sha256, leaf, salt) in enumerate(rows, start + 1)
        )
