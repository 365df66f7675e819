"""Bulk registration: all or nothing, once, within the day's limit."""

import hashlib
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from pytest_django.fixtures import Settings

from registry.errors import SubmissionLimitError
from registry.models import Record, Submission
from registry.proof import leaves
from registry.rules.digest_lines import Digests
from registry.selectors.submissions import ReceiptsIncompleteError, iterate_receipts
from registry.services.batches import seal_batch
from registry.services.records import make_pseudonym
from registry.services.submissions import register_digests, submit_digests
from tests.factories.registry import make_document_record, make_register
from tests.factories.users import NOW, make_user
from users.errors import IdempotencyKeyInFlightError, IdempotencyKeyReusedError
from users.models import IdempotencyKey
from users.services.idempotency import claim_key

pytestmark = pytest.mark.django_db
PATH = "/api/v1/records/bulk"


def make_digests(count: int, *, seed: str = "") -> Digests:
    joined = b"".join(hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(count))
    return Digests(joined=joined, body_sha256=hashlib.sha256(joined).digest())


def test_each_digest_becomes_a_record_whose_leaf_is_the_formats(settings: Settings):
    settings.CADASTRE_REGISTRAR = "cadastre.example"
    bob, digests = make_user(), make_digests(4_100)

    submission = submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW)

    records = list(Record.objects.order_by("id"))
    assert [record.id.int - submission.first_id.int for record in records] == list(range(4_100))
    assert b"".join(bytes(record.sha256) for record in records) == digests.joined
    assert len({bytes(record.details_salt) for record in records}) == 4_100
    for record in (*records[:2], *records[-5:]):
        details = {
            "registrar": "cadastre.example",
            "registered_at": "2026-01-01T12:00:00Z",
            "uploader": make_pseudonym(bob.id),
        }
        assert record.details == details
        details_hash = leaves.details_hash(salt=bytes(record.details_salt), details=details)
        fields = leaves.Record(0, bytes(record.sha256), 0, bytes(32), bytes(32), details_hash)
        assert (bytes(record.details_hash), bytes(record.leaf)) == (details_hash, leaves.leaf_hash(fields))
        assert (record.kind, record.length, bytes(record.root), bytes(record.seal)) == (0, 0, bytes(32), bytes(32))
        assert (record.uploader, record.registered_at) == (bob, NOW)
        assert (record.document, record.blob, record.work, record.batch, record.index) == (None,) * 5


def test_bulk_records_are_sealed_with_the_others_in_the_order_of_their_lines():
    make_register()
    make_document_record()
    digests = make_digests(50)
    submit_digests(user=make_user(), key="k", path=PATH, digests=digests, now=NOW)

    batch = seal_batch(now=NOW)

    sealed = batch.records.order_by("index").values_list("sha256", flat=True)
    assert b"".join(bytes(sha256) for sha256 in sealed[1:]) == digests.joined


def test_a_repetition_gets_the_same_records():
    bob, digests = make_user(), make_digests(3)
    first = submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW)
    again = submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW + timedelta(days=400))

    assert again == first
    assert Record.objects.count() == 3
    assert list(iterate_receipts(again)) == list(iterate_receipts(first))


def test_another_body_under_the_same_key_is_refused():
    bob = make_user()
    submit_digests(user=bob, key="k", path=PATH, digests=make_digests(3), now=NOW)

    with pytest.raises(IdempotencyKeyReusedError):
        submit_digests(user=bob, key="k", path=PATH, digests=make_digests(4), now=NOW)
    assert Record.objects.count() == 3


def test_another_users_key_is_another_key():
    submit_digests(user=make_user("bob"), key="k", path=PATH, digests=make_digests(3), now=NOW)
    submit_digests(user=make_user("carol"), key="k", path=PATH, digests=make_digests(3), now=NOW)

    assert Record.objects.count() == 6


def test_a_repetition_that_comes_too_early_is_told_so():
    bob, digests = make_user(), make_digests(1)
    claim_key(user_id=bob.id, key="k", path=PATH, body_sha256=digests.body_sha256, now=NOW)

    with pytest.raises(IdempotencyKeyInFlightError):
        submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW)
    assert not Record.objects.exists()


def test_what_a_crash_left_undone_is_done_by_a_later_repetition():
    bob, digests = make_user(), make_digests(1)
    claim_key(user_id=bob.id, key="k", path=PATH, body_sha256=digests.body_sha256, now=NOW)

    submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW + timedelta(minutes=2))

    assert Record.objects.count() == 1


def test_what_a_crash_left_unanswered_is_answered_at_once():
    bob, digests = make_user(), make_digests(2)
    claim_key(user_id=bob.id, key="k", path=PATH, body_sha256=digests.body_sha256, now=NOW)
    done = register_digests(user=bob, key="k", digests=digests, now=NOW)

    assert submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW) == done
    assert Record.objects.count() == 2


@pytest.mark.parametrize("limit", [0, 2])
def test_of_two_workers_with_one_key_the_second_finds_the_firsts(settings: Settings, limit: int):
    settings.CADASTRE_BULK_RECORDS_PER_DAY = limit
    bob, digests = make_user(), make_digests(2)
    first = register_digests(user=bob, key="k", digests=digests, now=NOW)

    assert register_digests(user=bob, key="k", digests=digests, now=NOW) == first
    assert Record.objects.count() == 2


def test_a_request_that_was_answered_between_two_looks_is_found(monkeypatch: pytest.MonkeyPatch):
    from registry.services import submissions

    bob, digests = make_user(), make_digests(2)
    done = submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW)
    monkeypatch.setattr(submissions, "find_submission", lambda **_: None)

    assert submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW) == done


def test_a_failure_leaves_nothing_and_frees_the_key(monkeypatch: pytest.MonkeyPatch):
    from registry.services import submissions

    bob, digests = make_user(), make_digests(5)
    taken = register_digests(user=bob, key="other", digests=digests, now=NOW)
    # The same keys again: the database refuses their records after the submission was written.
    monkeypatch.setattr(submissions, "make_key_range", lambda _: taken.first_id)

    with pytest.raises(IntegrityError):
        submit_digests(user=bob, key="k", path=PATH, digests=digests, now=NOW)

    assert (Record.objects.count(), Submission.objects.count()) == (5, 1)
    assert not IdempotencyKey.objects.exists()


def test_the_days_limit_counts_records(settings: Settings):
    settings.CADASTRE_BULK_RECORDS_PER_DAY = 5
    bob = make_user()
    submit_digests(user=bob, key="a", path=PATH, digests=make_digests(3), now=NOW)

    with pytest.raises(SubmissionLimitError, match=r"3 records .* 3 more .* 5"):
        submit_digests(user=bob, key="b", path=PATH, digests=make_digests(3), now=NOW + timedelta(hours=23))
    submit_digests(user=bob, key="c", path=PATH, digests=make_digests(2), now=NOW + timedelta(hours=23))
    submit_digests(user=make_user("carol"), key="b", path=PATH, digests=make_digests(5), now=NOW)
    submit_digests(user=bob, key="b", path=PATH, digests=make_digests(3), now=NOW + timedelta(hours=24))

    assert Record.objects.count() == 13


def test_no_limit_is_none(settings: Settings):
    settings.CADASTRE_BULK_RECORDS_PER_DAY = 0

    submit_digests(user=make_user(), key="a", path=PATH, digests=make_digests(3), now=NOW)

    assert Record.objects.count() == 3


def test_a_missing_record_is_not_passed_over():
    submission = submit_digests(user=make_user(), key="k", path=PATH, digests=make_digests(3), now=NOW)
    submission.count = 4

    with pytest.raises(ReceiptsIncompleteError):
        list(iterate_receipts(submission))


@pytest.mark.parametrize("column", ["key", "body_sha256", "first_id", "count", "registered_at", "user_id"])
def test_a_submission_never_changes(column: str):
    submit_digests(user=make_user(), key="k", path=PATH, digests=make_digests(1), now=NOW)

    for statement in (f"UPDATE registry_submission SET {column} = {column}", "DELETE FROM registry_submission"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
