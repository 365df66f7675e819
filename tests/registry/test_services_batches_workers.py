"""Sealing and bulk registration beside other workers, each with a connection of its own."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from registry.models import Batch, Record, Submission
from registry.proof.merkle import merkle_root
from registry.rules.digest_lines import Digests
from registry.services.batches import open_batch, seal_batch, seal_due_batches
from registry.services.submissions import register_digests
from tests.factories.registry import make_document_record, make_register
from tests.factories.users import NOW, make_user
from tests.threads import run_together

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 4


def check_batches() -> None:
    """Check that places have no gap, and that each root is of its leaves."""
    next_index = 0
    for seq, batch in enumerate(Batch.objects.order_by("seq")):
        assert (batch.seq, batch.first_index, batch.state) == (seq, next_index, Batch.State.SEALED)
        records = list(batch.records.order_by("index"))
        assert [record.index for record in records] == list(range(next_index, next_index + batch.size))
        assert bytes(batch.root) == merkle_root([bytes(record.leaf) for record in records])
        next_index += batch.size


def test_workers_that_seal_at_once_make_one_batch(settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 3
    settings.CADASTRE_SEAL_AGE_SECONDS = 0
    make_register()
    records = [make_document_record() for _ in range(20)]

    errors = run_together([lambda: seal_due_batches(now=NOW + timedelta(days=1))] * WORKERS)

    assert errors == []
    check_batches()
    batch = Batch.objects.get()
    assert list(batch.records.order_by("index")) == records


def test_registrations_go_on_while_a_batch_is_sealed(settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 3
    make_register()
    before = [make_document_record() for _ in range(20)]
    open_batch(now=NOW)

    def register() -> None:
        for _ in range(10):
            make_document_record()

    errors = run_together([lambda: seal_batch(now=NOW), register, register])

    assert errors == []
    assert Record.objects.count() == 40
    seal_batch(now=NOW)
    check_batches()
    assert list(Batch.objects.get(seq=0).records.order_by("index")) == before
    assert list(Batch.objects.order_by("seq").values_list("size", flat=True)) == [20, 20]


def test_workers_with_one_key_register_once():
    bob = make_user()
    digests = Digests(joined=bytes(32 * 50), body_sha256=bytes(32))
    made: list[Submission] = []

    errors = run_together(
        [lambda: made.append(register_digests(user=bob, key="k", digests=digests, now=NOW))] * WORKERS
    )

    assert errors == []
    assert made == [Submission.objects.get()] * WORKERS
    assert Record.objects.count() == 50
