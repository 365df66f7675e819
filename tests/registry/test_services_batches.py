"""Sealing: order, root, commitment, and what it refuses."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from registry.errors import BatchStateError, RegisterMissingError
from registry.models import Batch, Record
from registry.proof import commitments, merkle
from registry.selectors.batches import get_batch_fields, get_register_fields
from registry.services.batches import seal_batch, seal_due_batches
from tests.factories.registry import make_document_record
from tests.registry.conftest import NOW, FoundedRegister


def test_seals_waiting_records_in_the_order_of_their_ids(founded: FoundedRegister):
    records = [make_document_record(now=NOW) for _ in range(5)]

    batch = seal_batch(now=NOW)

    sealed = Record.objects.filter(batch=batch).order_by("index")
    assert [record.id for record in sealed] == sorted(record.id for record in records)
    assert [record.index for record in sealed] == [0, 1, 2, 3, 4]
    assert (batch.seq, batch.first_index, batch.size) == (0, 0, 5)
    assert bytes(batch.root) == merkle.merkle_root([bytes(record.leaf) for record in sealed])


def test_the_first_batch_commits_to_the_registers_identity(founded: FoundedRegister):
    make_document_record(now=NOW)

    batch = seal_batch(now=NOW)

    genesis_hash, outpoint = get_register_fields(founded.register)
    assert bytes(batch.previous_commitment) == commitments.genesis_commitment(
        genesis_block_hash=genesis_hash, first_outpoint=outpoint
    )
    assert bytes(batch.commitment) == commitments.commitment_hash(get_batch_fields(batch))


def test_batches_follow_each_other_without_gap(founded: FoundedRegister):
    make_document_record(now=NOW)
    first = seal_batch(now=NOW)
    make_document_record(now=NOW)
    make_document_record(now=NOW)

    second = seal_batch(now=NOW)

    assert (second.seq, second.first_index, second.size) == (1, 1, 2)
    assert bytes(second.previous_commitment) == bytes(first.commitment)


def test_the_recent_block_is_a_hundred_blocks_deep(founded: FoundedRegister):
    make_document_record(now=NOW)

    batch = seal_batch(now=NOW)

    tip = founded.node.get_block_count()
    assert batch.recent_block_hash == founded.node.get_block_hash(tip - 99)


def test_refuses_to_seal_nothing(founded: FoundedRegister):
    with pytest.raises(BatchStateError):
        seal_batch(now=NOW)
    assert not Batch.objects.exists()


@pytest.mark.django_db
def test_refuses_to_seal_without_a_register():
    make_document_record(now=NOW)

    with pytest.raises(RegisterMissingError):
        seal_batch(now=NOW)


def test_seals_when_the_oldest_record_is_old_enough(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_AGE_SECONDS = 60
    make_document_record(now=NOW)

    assert seal_due_batches(now=NOW + timedelta(seconds=59)) == 0
    assert seal_due_batches(now=NOW + timedelta(seconds=60)) == 1


def test_seals_when_there_are_records_enough(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_AGE_SECONDS = 60
    settings.CADASTRE_SEAL_COUNT = 2
    make_document_record(now=NOW)

    assert seal_due_batches(now=NOW) == 0
    make_document_record(now=NOW)
    assert seal_due_batches(now=NOW) == 1


def test_has_nothing_to_do_when_no_record_waits(founded: FoundedRegister):
    assert seal_due_batches(now=NOW) == 0
