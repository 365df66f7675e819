"""The tests' databases: SQLite in a file, where threads meet, and flushes that get past append-only triggers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader
from django.test import TransactionTestCase

from database.append_only import MakeAppendOnly, RemoveTriggers


def append_only_operations() -> list[MakeAppendOnly]:
    """Return every operation that made a table append-only, and whose triggers no later one took away."""
    loader = MigrationLoader(connection)
    found: dict[str, MakeAppendOnly] = {}
    for _, migration in sorted(loader.disk_migrations.items()):
        for operation in migration.operations:
            if isinstance(operation, MakeAppendOnly):
                found[operation.table] = operation
            elif isinstance(operation, RemoveTriggers) and isinstance(operation.operation, MakeAppendOnly):
                del found[operation.table]
    return list(found.values())


@pytest.fixture(autouse=True, scope="session")
def flush_without_triggers() -> Iterator[None]:
    """Let TransactionTestCase empty append-only tables."""
    teardown = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # Django has it, its stubs do not

    def teardown_without_triggers(self: TransactionTestCase) -> None:
        operations = append_only_operations()
        with connection.cursor() as cursor:
            for operation in operations:
                on_table = f" ON {operation.table}" if connection.vendor == "postgresql" else ""
                for name in operation.trigger_names(connection.vendor):
                    cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on_table}")
        teardown(self)
        with connection.cursor() as cursor:
            for operation in operations:
                for statement in operation.statements(connection.vendor):
                    cursor.execute(statement)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", teardown_without_triggers)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Put SQLite's test database into a file: one in memory would be locked as a whole by its first writer."""
    databases = connections["default"]
    if databases.vendor == "sqlite":
        databases.settings_dict["TEST"]["NAME"] = str(Path(settings.CADASTRE_VAR_DIR) / "tests.sqlite3")
