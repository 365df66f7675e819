"""The ledger's tables refuse every change below the ORM, on the engine that the tests run on."""

import pytest
from django.apps import apps
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model, UniqueConstraint

from payouts.models import JournalEntry, LedgerAccount, Posting
from tests.databases import append_only_operations
from tests.factories.payouts import fund_reader, make_account, make_microtransaction, make_payable, make_user

pytestmark = pytest.mark.django_db
TABLES = ("journalentry", "posting", "microtransaction", "refund", "settlementline", "statement")


def run(statement: str) -> None:
    """Run raw SQL in a savepoint."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_every_table_of_money_has_its_triggers():
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        names = {name for (name,) in cursor.fetchall()}
    for table in TABLES:
        assert sum(name.startswith(f"payouts_{table}_no_") for name in names) == 3


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE payouts_posting SET amount_msat = amount_msat + 1",
        "UPDATE payouts_posting SET debit_id = credit_id, credit_id = debit_id",
        "UPDATE payouts_posting SET entry_id = (SELECT id FROM payouts_journalentry ORDER BY id LIMIT 1)",
        "UPDATE payouts_journalentry SET source_key = 'another'",
        "DELETE FROM payouts_posting",
        "DELETE FROM payouts_journalentry",
        'UPDATE payouts_microtransaction SET "window" = 7',
        "DELETE FROM payouts_microtransaction",
    ],
)
def test_refuses_update_and_delete_from_raw_sql(statement: str):
    fund_reader(make_user("carol"), 1_000)
    make_payable(make_account(LedgerAccount.Kind.PAYABLE), 5)
    make_microtransaction()
    with pytest.raises(DatabaseError, match="append-only"):
        run(statement)


@pytest.mark.parametrize("table", TABLES)
def test_refuses_truncate(table: str):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has TRUNCATE")
    with pytest.raises(DatabaseError, match=r"append-only|cannot truncate"):
        run(f"TRUNCATE payouts_{table}")


@pytest.mark.parametrize("table", ["posting", "journalentry", "microtransaction"])
def test_refuses_insert_or_replace(table: str):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has INSERT OR REPLACE")
    fund_reader(make_user("carol"), 1_000)
    make_microtransaction()
    with pytest.raises(DatabaseError, match="append-only"):
        run(f"INSERT OR REPLACE INTO payouts_{table} SELECT * FROM payouts_{table}")


def test_refuses_to_replace_an_entry_by_its_source_key():
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has INSERT OR REPLACE")
    fund_reader(make_user("carol"), 1_000)
    with pytest.raises(DatabaseError, match="append-only"):
        run(
            "INSERT OR REPLACE INTO payouts_journalentry (id, source_key, description, posted_at) "
            "SELECT 'ffffffffffffffffffffffffffffffff', source_key, 'forged', posted_at FROM payouts_journalentry"
        )


@pytest.mark.parametrize("amount", ["9223372036854775807 + 1", "0", "-5"])
def test_refuses_an_amount_that_is_no_positive_64_bit_integer(amount: str):
    fund_reader(make_user("carol"), 1_000)
    columns = "entry_id, debit_id, credit_id"
    insert = f"INSERT INTO payouts_posting (id, {columns}, amount_msat)"
    with pytest.raises(DatabaseError):
        run(f"{insert} SELECT '{'f' * 32}', {columns}, {amount} FROM payouts_posting")


def test_refuses_a_posting_that_stays_on_its_account():
    fund_reader(make_user("carol"), 1_000)
    entry, account = JournalEntry.objects.get(), LedgerAccount.objects.earliest("code")
    with pytest.raises(IntegrityError), transaction.atomic():
        Posting.objects.create(entry=entry, debit=account, credit=account, amount_msat=1)


def list_unique_keys(model: type[Model]) -> set[tuple[str | None, ...]]:
    """Return the columns of every unique key of a model's table that holds for all rows."""
    options = model._meta
    columns = {field.name: field.column for field in options.local_concrete_fields}
    keys: set[tuple[str | None, ...]] = {(field.column,) for field in options.local_concrete_fields if field.unique}
    for constraint in options.constraints:
        if isinstance(constraint, UniqueConstraint) and constraint.fields and constraint.condition is None:
            keys.add(tuple(columns[name] for name in constraint.fields))
    return keys


def test_every_unique_key_of_an_append_only_table_is_guarded_against_replacing():
    models = {model._meta.db_table: model for model in apps.get_models()}
    unguarded = {}
    for operation in append_only_operations():
        groups = [(key,) if isinstance(key, str) else key for key in operation.unique_columns]
        guarded = {tuple(column.strip('"') for column in group) for group in groups}
        if missing := list_unique_keys(models[operation.table]) - guarded:
            unguarded[operation.table] = missing
    assert unguarded == {}
