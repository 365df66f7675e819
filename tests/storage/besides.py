"""Lets something else happen between two statements, as another process would do it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


@contextmanager
def after_reading_uploads(action: Callable[[], object], *, reads: int = 1) -> Iterator[None]:
    """Run an action once, right after uploads were read from the database for the given time."""
    left = reads

    def run(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal left
        result = execute(sql, *rest)
        if sql.startswith("SELECT") and 'FROM "storage_upload"' in sql:
            left -= 1
            if left == 0:
                action()
        return result

    with connection.execute_wrapper(run):
        yield
