"""Sealing: order, root, commitment, and what it refuses."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from chain.models import FollowedBlock
from registry.errors import BatchStateError, RegisterMissingError
from registry.models import Batch, Record
from registry.proof import commitments, merkle
from registry.selectors.batches import get_batch_fields, get_register_fields
from registry.selectors.registers import get_consumer
from registry.services.anchors import find_batch_to_anchor
from registry.services.batches import close_batch, open_batch, seal_batch, seal_due_batches, take_leaves
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


def test_a_recent_block_below_the_first_followed_one_seals_nothing(founded: FoundedRegister):
    """Passes if records wait, and the sweep can say so, while following began above the recent block."""
    make_document_record(now=NOW)
    tip = founded.node.get_block_count()
    FollowedBlock.objects.filter(consumer=get_consumer(), height__lte=tip - 99).delete()

    with pytest.raises(BatchStateError, match="no recent block can be named"):
        seal_batch(now=NOW)
    assert not Batch.objects.exists()


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


def test_a_batch_takes_its_leaves_chunk_by_chunk(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 2
    records = [make_document_record(now=NOW) for _ in range(5)]

    batch = open_batch(now=NOW)
    sizes = [batch.size]
    while batch.size < batch.size_final:
        batch = take_leaves(batch_id=batch.id)
        sizes.append(batch.size)

    assert (batch.state, sizes) == (Batch.State.OPEN, [2, 4, 5])
    assert (batch.root, batch.subtree_roots, batch.recent_block_hash) == (b"", b"", "")
    assert (batch.commitment, batch.sealed_at) == (b"", None)
    assert list(batch.records.order_by("index")) == records
    assert close_batch(batch=batch, now=NOW).state == Batch.State.SEALED


def test_what_is_registered_meanwhile_falls_into_the_next_batch(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 1
    make_document_record(now=NOW)
    make_document_record(now=NOW)
    first = open_batch(now=NOW)
    late = make_document_record(now=NOW)

    assert seal_batch(now=NOW).id == first.id
    late.refresh_from_db()
    assert late.batch is None
    assert seal_batch(now=NOW).first_index == 2


def test_a_batch_that_was_broken_off_is_resumed_before_another_is_due(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_AGE_SECONDS = 10**6
    settings.CADASTRE_SEAL_CHUNK = 1
    make_document_record(now=NOW)
    make_document_record(now=NOW)
    assert seal_due_batches(now=NOW) == 0
    opened = open_batch(now=NOW)
    assert open_batch(now=NOW).id == opened.id

    assert seal_due_batches(now=NOW) == 1

    batch = Batch.objects.get()
    assert (batch.id, batch.state, batch.size) == (opened.id, Batch.State.SEALED, 2)


def test_no_batch_is_opened_while_another_waits_for_its_block(founded: FoundedRegister):
    make_document_record(now=NOW)
    assert seal_due_batches(now=NOW) == 1
    make_document_record(now=NOW)

    assert seal_due_batches(now=NOW) == 0
    assert Batch.objects.count() == 1


def test_a_full_batch_takes_no_more(founded: FoundedRegister):
    make_document_record(now=NOW)
    batch = open_batch(now=NOW)
    make_document_record(now=NOW)

    assert take_leaves(batch_id=batch.id).size == 1
    assert Record.objects.filter(batch=None).count() == 1


def test_of_two_workers_that_close_a_batch_the_first_counts(founded: FoundedRegister):
    make_document_record(now=NOW)
    seen_by_both = open_batch(now=NOW)
    first = close_batch(batch=Batch.objects.get(id=seen_by_both.id), now=NOW)

    second = close_batch(batch=seen_by_both, now=NOW + timedelta(minutes=1))

    assert (second.sealed_at, bytes(second.commitment)) == (NOW, bytes(first.commitment))


def test_a_batch_is_not_closed_before_it_is_full(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 1
    make_document_record(now=NOW)
    make_document_record(now=NOW)

    with pytest.raises(BatchStateError, match="1 of its 2 leaves"):
        close_batch(batch=open_batch(now=NOW), now=NOW)


def test_an_open_batch_is_not_anchored(founded: FoundedRegister):
    make_document_record(now=NOW)
    batch = open_batch(now=NOW)

    assert find_batch_to_anchor(founded.register) is None
    close_batch(batch=batch, now=NOW)
    assert find_batch_to_anchor(founded.register) == batch


def test_a_batch_commits_to_the_one_before_it_whatever_the_chunks(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 3
    make_document_record(now=NOW)
    first = seal_batch(now=NOW)
    for _ in range(7):
        make_document_record(now=NOW)

    batch = seal_batch(now=NOW)

    assert (batch.first_index, bytes(batch.previous_commitment)) == (1, bytes(first.commitment))
    leaves = [bytes(record.leaf) for record in batch.records.order_by("index")]
    assert bytes(batch.root) == bytes(batch.subtree_roots) == merkle.merkle_root(leaves)
    assert bytes(batch.commitment) == commitments.commitment_hash(get_batch_fields(batch))
