"""The register's tables refuse changes from raw SQL, on the engine that runs."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from registry.models import Record, SplitPolicy
from tests.factories.registry import make_anchor, make_claim, make_record, make_sealed_batch
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
