"""Triggers that protect rows below the ORM, in both engines: append-only tables, and columns that are set once."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

POSTGRESQL_REFUSE = """
    CREATE OR REPLACE FUNCTION cadastre_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
    END $$
"""
POSTGRESQL_RUN = "EXECUTE FUNCTION cadastre_refuse_change()"


class TriggerOperation(Operation):
    """A migration operation that makes triggers on one table and leaves the models' state as it is."""

    reversible = True
    reduces_to_sql = True
    table: str

    def trigger_names(self, vendor: str) -> list[str]:
        """Return the names of the triggers that this operation makes on an engine."""
        raise NotImplementedError

    def statements(self, vendor: str) -> list[str]:
        """Return the SQL of the triggers for an engine."""
        raise NotImplementedError

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        """Do nothing: a trigger is not part of the models' state."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Create the triggers."""
        for statement in self.statements(schema_editor.connection.vendor):
            schema_editor.execute(statement, params=None)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Drop the triggers."""
        on_table = f" ON {self.table}" if schema_editor.connection.vendor == "postgresql" else ""
        for name in self.trigger_names(schema_editor.connection.vendor):
            schema_editor.execute(f"DROP TRIGGER {name}{on_table}", params=None)


class MakeAppendOnly(TriggerOperation):
    """Refuse UPDATE, DELETE and TRUNCATE on a table, also from raw SQL.

    `columns` are those that may never change: a table's mutable state (a validity's end, for example) is left out of
    them. `unique_columns` are the table's unique keys, each a column or a group of them. They guard against SQLite's
    INSERT OR REPLACE, which deletes rows without firing DELETE triggers: a BEFORE INSERT trigger refuses a row that
    would replace another. `replaced_when` does the same for unique keys of some rows only: SQL about a stored row and
    NEW.
    """

    def __init__(
        self,
        table: str,
        *,
        columns: Sequence[str],
        unique_columns: Sequence[str | Sequence[str]] = ("id",),
        replaced_when: Sequence[str] = (),
    ) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.unique_columns = tuple(unique_columns)
        self.replaced_when = tuple(replaced_when)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the operation's parts, as Django's migration writer asks for them."""
        options: dict[str, Any] = {"columns": self.columns, "unique_columns": self.unique_columns}
        if self.replaced_when:
            options["replaced_when"] = self.replaced_when
        return type(self).__name__, [self.table], options

    def describe(self) -> str:
        """Return the line that `migrate` shows."""
        return f"Make {self.table} append-only"

    def trigger_names(self, vendor: str) -> list[str]:
        """Return the names of the triggers that this operation makes on an engine."""
        last = "truncate" if vendor == "postgresql" else "replace"
        return [f"{self.table}_no_{event}" for event in ("update", "delete", last)]

    def statements(self, vendor: str) -> list[str]:
        """Return the SQL of the triggers for an engine."""
        update, delete, last = self.trigger_names(vendor)
        columns = ", ".join(self.columns)
        if vendor == "postgresql":
            return [
                POSTGRESQL_REFUSE,
                f"CREATE TRIGGER {update} BEFORE UPDATE OF {columns} ON {self.table} FOR EACH ROW {POSTGRESQL_RUN}",
                f"CREATE TRIGGER {delete} BEFORE DELETE ON {self.table} FOR EACH ROW {POSTGRESQL_RUN}",
                f"CREATE TRIGGER {last} BEFORE TRUNCATE ON {self.table} FOR EACH STATEMENT {POSTGRESQL_RUN}",
            ]
        refuse = f"BEGIN SELECT RAISE(ABORT, '{self.table} is append-only'); END"
        groups = [(group,) if isinstance(group, str) else group for group in self.unique_columns]
        same = (" AND ".join(f"{column} = NEW.{column}" for column in group) for group in groups)
        exists = " OR ".join([*same, *(f"({condition})" for condition in self.replaced_when)])
        replaces = f"EXISTS (SELECT 1 FROM {self.table} WHERE {exists})"  # noqa: S608  only names are formatted
        return [
            f"CREATE TRIGGER {update} BEFORE UPDATE OF {columns} ON {self.table} {refuse}",
            f"CREATE TRIGGER {delete} BEFORE DELETE ON {self.table} {refuse}",
            f"CREATE TRIGGER {last} BEFORE INSERT ON {self.table} WHEN {replaces} {refuse}",
        ]


class SetOnce(TriggerOperation):
    """Refuse to change a column that has a value: it may be empty at first, and is filled once."""

    def __init__(self, table: str, *, column: str) -> None:
        self.table = table
        self.column = column

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the operation's parts, as Django's migration writer asks for them."""
        return type(self).__name__, [self.table], {"column": self.column}

    def describe(self) -> str:
        """Return the line that `migrate` shows."""
        return f"Let {self.table}.{self.column} be set once"

    def trigger_names(self, vendor: str) -> list[str]:
        """Return the trigger's name, the same on every engine."""
        return [f"{self.table}_{self.column}_once"]

    def statements(self, vendor: str) -> list[str]:
        """Return the SQL of the trigger for an engine."""
        [name] = self.trigger_names(vendor)
        # Quoted, since a column may be named like a word of SQL.
        before = f'CREATE TRIGGER {name} BEFORE UPDATE OF "{self.column}" ON {self.table} FOR EACH ROW'
        condition = f'WHEN (OLD."{self.column}" IS NOT NULL)'
        if vendor == "postgresql":
            return [POSTGRESQL_REFUSE, f"{before} {condition} {POSTGRESQL_RUN}"]
        return [f"{before} {condition} BEGIN SELECT RAISE(ABORT, '{self.table}.{self.column} is set once'); END"]


class RefuseChange(TriggerOperation):
    """Refuse an UPDATE of some columns when a condition on the row's OLD and NEW values holds.

    It is for columns that may change, but only in one way. `when` is SQL that both engines understand;
    `sqlite_when` is a further condition for SQLite alone, whose UPDATE OR REPLACE deletes other rows.
    """

    def __init__(self, table: str, *, name: str, columns: Sequence[str], when: str, sqlite_when: str = "") -> None:
        self.table = table
        self.trigger = name
        self.columns = tuple(columns)
        self.when = when
        self.sqlite_when = sqlite_when

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the operation's parts, as Django's migration writer asks for them."""
        options = {"columns": self.columns, "when": self.when, "sqlite_when": self.sqlite_when}
        return type(self).__name__, [self.table], {"name": self.trigger, **options}

    def describe(self) -> str:
        """Return the line that `migrate` shows."""
        return f"Limit changes of {self.table}"

    def trigger_names(self, vendor: str) -> list[str]:
        """Return the trigger's name, the same on every engine."""
        return [self.trigger]

    def statements(self, vendor: str) -> list[str]:
        """Return the SQL of the trigger for an engine."""
        before = (
            f"CREATE TRIGGER {self.trigger} BEFORE UPDATE OF {', '.join(self.columns)} ON {self.table} FOR EACH ROW"
        )
        if vendor == "postgresql":
            return [POSTGRESQL_REFUSE, f"{before} WHEN ({self.when}) {POSTGRESQL_RUN}"]
        when = f"({self.when}) OR ({self.sqlite_when})" if self.sqlite_when else self.when
        return [f"{before} WHEN {when} BEGIN SELECT RAISE(ABORT, '{self.table} refuses this change'); END"]


class RemoveTriggers(TriggerOperation):
    """Take away the triggers of an earlier operation, so that another can replace them.

    A migration that alters a guarded table does this first and makes the triggers anew at its end: SQLite builds the
    table anew for most changes, and its triggers vanish with the old one.
    """

    def __init__(self, operation: TriggerOperation) -> None:
        self.operation = operation
        self.table = operation.table

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        """Return the operation's parts, as Django's migration writer asks for them."""
        return type(self).__name__, [self.operation], {}

    def describe(self) -> str:
        """Return the line that `migrate` shows."""
        return f"Take triggers from {self.table}"

    def trigger_names(self, vendor: str) -> list[str]:
        """Return the names of the triggers that are taken away."""
        return self.operation.trigger_names(vendor)

    def statements(self, vendor: str) -> list[str]:
        """Return the SQL that makes the triggers again when this is undone."""
        return self.operation.statements(vendor)

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Drop the triggers."""
        self.operation.database_backwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        """Create the triggers again."""
        self.operation.database_forwards(app_label, schema_editor, from_state, to_state)
