"""What both database backends of the fault tests share: a commit is a point, and no write may go without one."""

import re
from typing import Any

from tests.faults.points import POINTS

WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|TRUNCATE|REPLACE)\b", re.IGNORECASE)


class WriteOutsideTransactionError(AssertionError):
    """A statement wrote outside a transaction: the fault tests would not see its commit."""


class PointsAtCommits:
    """Mixed into a DatabaseWrapper."""

    in_atomic_block: bool

    def _commit(self) -> Any:
        POINTS.reach()
        answer = super()._commit()  # type: ignore[misc]  # the backend has it
        POINTS.reach()
        return answer

    def init_connection_state(self) -> None:
        """Watch every statement of this connection."""
        super().init_connection_state()  # type: ignore[misc]  # the backend has it
        self.execute_wrappers.append(self._watch)  # type: ignore[attr-defined]  # the backend has it

    def _watch(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if POINTS.is_counting and WRITES.match(sql) and not self.in_atomic_block:
            raise WriteOutsideTransactionError(sql)
        return execute(sql, params, many, context)
