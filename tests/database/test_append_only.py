"""The operations that make triggers, as migrations use them; what the triggers refuse is tested with their tables."""

import pytest
from django.db import connection
from django.db.migrations.state import ProjectState
from django.db.migrations.writer import OperationWriter

from database.append_only import MakeAppendOnly, RefuseChange, RemoveTriggers, SetOnce, TriggerOperation

APPEND_ONLY = MakeAppendOnly(
    "users_apitoken", columns=("id",), unique_columns=("id",), replaced_when=("name = NEW.name",)
)
ONCE = SetOnce("users_apitoken", column="revoked_at")
LIMITED = RefuseChange("users_apitoken", name="only_longer", columns=("name",), when="NEW.name < OLD.name")
OPERATIONS = [APPEND_ONLY, ONCE, LIMITED, RemoveTriggers(LIMITED)]


def list_triggers() -> set[str]:
    """Return the names of the table's triggers."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'users_apitoken'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE tgrelid = 'users_apitoken'::regclass AND NOT tgisinternal",
    }
    with connection.cursor() as cursor:
        cursor.execute(query[connection.vendor])
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("operation", [APPEND_ONLY, ONCE, LIMITED], ids=lambda operation: type(operation).__name__)
def test_triggers_are_made_taken_away_and_made_again(operation: TriggerOperation):
    names = set(operation.trigger_names(connection.vendor))
    remove, state = RemoveTriggers(operation), ProjectState()

    def apply(forwards: bool, done: TriggerOperation) -> set[str]:
        with connection.schema_editor() as editor:
            (done.database_forwards if forwards else done.database_backwards)("users", editor, state, state)
        return list_triggers()

    assert apply(True, operation) == names
    assert apply(True, remove) == set()
    assert apply(False, remove) == names
    assert apply(False, operation) == set()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_an_operation_can_be_written_into_a_migration(operation: TriggerOperation):
    lines, _ = OperationWriter(operation, indentation=0).serialize()

    assert type(operation).__name__ in lines
    assert operation.table in operation.describe()
    assert operation.statements("sqlite")
    assert operation.trigger_names("postgresql")
