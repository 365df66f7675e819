"""Columns for integer amounts, guarded where the engine itself is lax.

SQLite turns an integer that overflows 64 bits into a REAL without an error, so every amount has a CHECK on its type.
"""

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

AMOUNT_MAX = 2**63 - 1


class IsStoredAsInteger(models.Func):
    """A condition that holds when the engine has stored the column as an integer."""

    arity = 1
    output_field = models.BooleanField()
    conditional = True

    def as_sql(
        self,
        compiler: SQLCompiler,
        connection: BaseDatabaseWrapper,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return a condition that always holds: bigint columns of other engines raise on overflow."""
        column, params = compiler.compile(self.source_expressions[0])
        return f"{column} IS NOT NULL", tuple(params)

    def as_sqlite(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        """Return SQLite's test of the value's storage class."""
        column, params = compiler.compile(self.source_expressions[0])
        return f"typeof({column}) = 'integer'", tuple(params)


def amount_constraint(*, name: str, field: str, minimum: int = 0, is_optional: bool = False) -> models.CheckConstraint:
    """Return the constraint that `field` is stored as an integer of at least `minimum`, or is NULL if optional."""
    condition = models.Q(**{f"{field}__gte": minimum}) & models.Q(IsStoredAsInteger(models.F(field)))
    if is_optional:
        condition = models.Q(**{field: None}) | condition
    return models.CheckConstraint(name=name, condition=condition)
