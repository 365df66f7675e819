"""Makes the OpenAPI document the same on every engine."""

from typing import Any

ENGINE_RANGES = (
    {-(2**63), 2**63 - 1},  # SQLite's integers
    {-(2**31), 2**31 - 1},  # PostgreSQL's integer
    {-(2**15), 2**15 - 1},  # PostgreSQL's smallint
)
BOUNDS = {bound for pair in ENGINE_RANGES for bound in pair}


def drop_engine_ranges(result: Any, **_: Any) -> Any:
    """Remove the bounds of integers that say only how the engine stores them, wherever they stand in the document.

    A hook of drf-spectacular, which takes a model field's range for a rule of the API.
    """
    if isinstance(result, dict):
        if result.get("type") == "integer":
            for name in ("minimum", "maximum"):
                if result.get(name) in BOUNDS:
                    del result[name]
            result.pop("format", None)
        for part in result.values():
            drop_engine_ranges(part)
    elif isinstance(result, list):
        for part in result:
            drop_engine_ranges(part)
    return result
