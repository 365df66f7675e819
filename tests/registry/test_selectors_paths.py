"""Paths from one subtree and the stored roots, against the tree that is built anew from all leaves."""

import pytest
from pytest_django.fixtures import Settings

from registry.errors import ProofNotReadyError
from registry.models import Record
from registry.proof.merkle import merkle_path, root_from_path
from registry.selectors.paths import get_path
from registry.selectors.records import get_record, get_state
from registry.services.batches import open_batch, seal_batch
from registry.trees import SUBTREE_LEAVES
from tests.factories.registry import make_document_record, make_register
from tests.factories.users import NOW

pytestmark = pytest.mark.django_db


def make_records(count: int) -> None:
    """Register many plain records by copies of one, each with a leaf of its own."""
    first = make_document_record()
    fields = {
        field.attname: getattr(first, field.attname)
        for field in Record._meta.concrete_fields
        if field.name not in {"id", "leaf"}
    }
    rows = [Record(**fields, leaf=number.to_bytes(32)) for number in range(1, count)]
    Record.objects.bulk_create(rows, batch_size=500)


@pytest.mark.parametrize("size", [1, 2, SUBTREE_LEAVES, SUBTREE_LEAVES + 1, 2 * SUBTREE_LEAVES + 77])
def test_a_path_is_that_of_the_whole_tree(size: int):
    make_register()
    make_document_record()
    seal_batch(now=NOW)
    make_records(size)
    batch = seal_batch(now=NOW)
    leaves = [bytes(leaf) for leaf in batch.records.order_by("index").values_list("leaf", flat=True)]
    assert (len(leaves), batch.size, len(batch.subtree_roots)) == (size, size, 32 * -(-size // SUBTREE_LEAVES))

    for position in {0, size // 2, size - 1, min(size - 1, SUBTREE_LEAVES), min(size - 1, SUBTREE_LEAVES - 1)}:
        record = get_record(batch.records.get(index=batch.first_index + position).id)
        path = get_path(record)
        assert path == merkle_path(leaves, position)
        assert root_from_path(leaf=leaves[position], position=position, size=size, path=path) == bytes(batch.root)


def test_a_path_reads_one_subtree_of_a_large_batch(django_assert_max_num_queries):
    make_register()
    make_records(3 * SUBTREE_LEAVES)
    batch = seal_batch(now=NOW)
    record = get_record(batch.records.get(index=2_000).id)

    with django_assert_max_num_queries(1) as queries:
        get_path(record)

    assert '"index" >= 1024' in queries[0]["sql"]
    assert '"index" < 2048' in queries[0]["sql"]


def test_a_record_in_an_open_batch_has_no_path_and_is_not_sealed(settings: Settings):
    settings.CADASTRE_SEAL_CHUNK = 1
    make_register()
    placed, waiting = make_document_record(), make_document_record()
    open_batch(now=NOW)

    for record in (get_record(placed.id), get_record(waiting.id)):
        assert get_state(record) == "REGISTERED"
        with pytest.raises(ProofNotReadyError):
            get_path(record)
