"""JSON as Bitcoin Core writes it: amounts are numbers with eight decimals, made without a float."""

import json
from decimal import Decimal

SAT_PER_COIN = 100_000_000


def to_coins(value_sat: int) -> Decimal:
    """Return an amount in coins with its eight decimals."""
    return Decimal(value_sat).scaleb(-8)


def dump_json(value: object) -> str:
    """Write a value as JSON; a Decimal becomes a number with all its decimals."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dump_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dump_json(item) for item in value) + "]"
    return json.dumps(value, allow_nan=False)
