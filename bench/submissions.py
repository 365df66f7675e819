"""The row of bulk registration: a request, receipts included, against a raw COPY of the same rows."""

import hashlib
import secrets

from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from bench.rows import Row, compare, time_call
from database.keys import make_key_range
from registry.rules.bare_digests import make_bare_leaves
from registry.services.record_rows import COPY_END, COPY_HEAD, NAMES, iterate_copy_pieces
from users.models import User
from users.scopes import Scope
from users.services.tokens import create_token

RECORDS = 100_000
URL = "/api/v1/records/bulk"


def measure(*, count: int = RECORDS) -> list[Row]:
    """Return the row of so many digests. The peer writes what it is given: it parses, hashes and answers nothing."""
    bench = _Bench(count)
    name = f"{count:,} digests registered in bulk, with receipts"
    # At least a quarter of the rate.
    return [compare(name, bench.submit, "a raw COPY of the same rows", bench.copy, bar=4.0)]


class _Bench:
    """A user who registers, and rows that are copied. Both take new digests in each round."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.now = timezone.now()
        self.user = User.objects.create(username="bench")
        secret = create_token(user=self.user, name="bench", scopes=[Scope.RECORDS_WRITE], now=self.now).secret
        self.client = Client(headers={"Authorization": f"Bearer {secret}"})
        self.rounds = 0

    def make_digests(self) -> list[bytes]:
        """Return digests that no round had before."""
        self.rounds += 1
        return [hashlib.sha256(f"{self.rounds} {number}".encode()).digest() for number in range(self.count)]

    def submit(self) -> float:
        """Send a request and read its receipts; return the seconds."""
        body = b"".join(b'{"sha256": "%s"}\n' % digest.hex().encode() for digest in self.make_digests())
        headers = {"Idempotency-Key": f"round-{self.rounds}"}

        def work() -> None:
            answer = self.client.post(URL, body, content_type="application/x-ndjson", headers=headers)
            receipts = answer.getvalue()
            if answer.status_code != 201 or receipts.count(b"\n") != self.count:
                raise RuntimeError(f"the request was answered with {answer.status_code}")

        return time_call(work)

    def copy(self) -> float:
        """Copy as many rows, made before; return the seconds."""
        digests = b"".join(self.make_digests())
        details = {"registrar": "bench", "registered_at": "2026-01-01T00:00:00Z", "uploader": "00" * 16}
        leaves = make_bare_leaves(digests=digests, salts=secrets.token_bytes(len(digests)), details=details)
        first_id = make_key_range(self.count)
        pieces = iterate_copy_pieces(leaves, first_id=first_id, details=details, user_id=self.user.id, now=self.now)
        data = [COPY_HEAD, *pieces, COPY_END]

        def work() -> None:
            statement = f"COPY registry_record ({NAMES}) FROM STDIN (FORMAT BINARY)"
            with transaction.atomic(), connection.cursor() as cursor, cursor.copy(statement) as copy:
                for piece in data:
                    copy.write(piece)

        return time_call(work)
