"""The register's tables refuse changes from raw SQL, on the engine that runs."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django.fixtures import Settings

from registry.models import Batch, Record, SplitPolicy
from registry.services.batches import open_batch
from tests.factories.registry import make_anchor, make_claim, make_document_record, make_record, make_sealed_batch
from tests.factories.users import NOW, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rows() -> None:
    """One row in every table."""
    make_claim(make_user("alice"), record=make_record(make_user("bob")))
    make_sealed_batch()
    make_anchor()


def refuse(statement: str) -> None:
    """Check that the engine refuses a statement."""
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("registry_register", "first_txid"),
        ("registry_record", "leaf"),
        ("registry_record", "details"),
        ("registry_batch", "seq"),
        ("registry_anchortransaction", "raw"),
        ("registry_claimevent", "reason"),
        ("registry_splitpolicy", "valid_from"),
        ("registry_splitline", "share_ppm"),
    ],
)
def test_refuses_update_and_delete(table: str, column: str):
    refuse(f"UPDATE {table} SET {column} = {column}")
    refuse(f"DELETE FROM {table}")


@pytest.mark.parametrize("table", ["registry_record", "registry_batch", "registry_splitline"])
def test_refuses_to_empty_or_replace(table: str):
    if connection.vendor == "postgresql":
        refuse(f"TRUNCATE {table} CASCADE")
    else:
        refuse(f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")


def test_a_sealed_record_never_moves_to_another_batch():
    record = Record.objects.exclude(batch=None).first()
    assert record is not None

    refuse('UPDATE registry_record SET batch_id = NULL, "index" = NULL WHERE batch_id IS NOT NULL')


def test_a_sealed_records_place_is_fixed():
    refuse('UPDATE registry_record SET "index" = 777 WHERE "index" IS NOT NULL')


@pytest.mark.parametrize(
    "change",
    [
        "size = size",
        "size = size + 1",
        "state = 'OPEN'",
        "root = root",
        "subtree_roots = subtree_roots",
        "recent_block_hash = recent_block_hash",
        "commitment = commitment",
        "sealed_at = sealed_at",
        "size_final = size_final",
        "previous_commitment = previous_commitment",
        "opened_at = opened_at",
    ],
)
def test_a_sealed_batch_never_changes(change: str):
    refuse(f"UPDATE registry_batch SET {change}")


@pytest.mark.parametrize(
    "change",
    [
        "size = size - 1",
        "size = size_final + 1",
        "size_final = size_final + 1",
        "first_index = first_index + 1",
        "previous_commitment = previous_commitment",
        "opened_at = opened_at",
        # Half sealed.
        "state = 'SEALED'",
        "sealed_at = opened_at",
        "commitment = previous_commitment",
        "state = 'SEALED', sealed_at = opened_at, commitment = previous_commitment, size = size_final",
    ],
)
def test_an_open_batch_only_grows_and_is_sealed_as_a_whole(settings: Settings, change: str):
    settings.CADASTRE_SEAL_CHUNK = 2
    for _ in range(3):
        make_document_record()
    open_batch(now=NOW)

    refuse(f"UPDATE registry_batch SET {change} WHERE state = 'OPEN'")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE registry_batch SET size = size + 1 WHERE state = 'OPEN'")


def test_a_register_has_one_open_batch(settings: Settings):
    make_document_record()
    opened = open_batch(now=NOW)
    fields = {"size": 1, "size_final": 1, "previous_commitment": bytes(32), "opened_at": NOW}
    make_document_record()

    with pytest.raises(DatabaseError), transaction.atomic():
        Batch.objects.create(register=opened.register, seq=opened.seq + 1, first_index=10**6, **fields)
    if connection.vendor == "sqlite":
        columns = "id, register_id, seq, first_index, size, size_final, state, previous_commitment, opened_at, root, "
        columns += "subtree_roots, recent_block_hash, commitment"
        changed = columns.replace("id,", "'00000000000000000000000000000001',", 1)
        changed = changed.replace(" seq,", " seq + 1,").replace(" first_index,", " first_index + 1000,")
        refuse(
            f"INSERT OR REPLACE INTO registry_batch ({columns}) SELECT {changed} FROM registry_batch "
            "WHERE state = 'OPEN'"
        )


def test_an_update_cannot_replace_another_row():
    if connection.vendor == "postgresql":
        pytest.skip("only SQLite replaces rows by an UPDATE")
    make_document_record()
    batch_id = Batch.objects.earliest("seq").id.hex
    refuse(f"UPDATE OR REPLACE registry_record SET batch_id = '{batch_id}', \"index\" = 0 WHERE batch_id IS NULL")
    open_batch(now=NOW)
    refuse(
        "UPDATE OR REPLACE registry_batch SET state = 'SEALED', size = size_final, sealed_at = opened_at, "
        "root = x'01', subtree_roots = x'01', recent_block_hash = '01', "
        "commitment = (SELECT commitment FROM registry_batch LIMIT 1) "
        "WHERE state = 'OPEN'"
    )


def test_a_frozen_policys_line_cannot_be_replaced_under_another_id():
    if connection.vendor == "postgresql":
        pytest.skip("only SQLite replaces rows by an INSERT")
    refuse(
        "INSERT OR REPLACE INTO registry_splitline (id, policy_id, position, payee, holder_id, fee_bp, share_ppm) "
        "SELECT '00000000000000000000000000000001', policy_id, position, payee, holder_id, 9999, 0 "
        "FROM registry_splitline WHERE payee = 'PLATFORM'"
    )


def test_a_policys_end_is_set_once():
    policy = SplitPolicy.objects.get()
    SplitPolicy.objects.filter(id=policy.id).update(valid_to=NOW + timedelta(days=1))

    with pytest.raises(DatabaseError), transaction.atomic():
        SplitPolicy.objects.filter(id=policy.id).update(valid_to=NOW + timedelta(days=2))


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_two_policies_of_a_work_are_never_in_force_at_once(days: int):
    policy = SplitPolicy.objects.get()
    SplitPolicy.objects.filter(id=policy.id).update(valid_to=policy.valid_from + timedelta(days=2))

    with pytest.raises(DatabaseError), transaction.atomic():
        SplitPolicy.objects.create(
            work=policy.work,
            version=9,
            valid_from=policy.valid_from + timedelta(days=days),
            created_at=NOW,
        )


def test_a_policy_may_begin_where_the_last_one_ends():
    policy = SplitPolicy.objects.get()
    end = policy.valid_from + timedelta(days=2)
    SplitPolicy.objects.filter(id=policy.id).update(valid_to=end)

    assert SplitPolicy.objects.create(work=policy.work, version=9, valid_from=end, created_at=NOW).valid_to is None
