"""Strict JSON reading and the canonical JSON of RFC 8785 (JCS), for the values that proofs use.

Those are strings, integers that every JSON reader keeps exact, booleans, null, lists, and objects with ASCII
keys. Numbers with a fraction are refused, so amounts are written as decimal strings.
"""

import json

from registry.proof.errors import MalformedDocumentError, NotCanonicalError

INTEGER_MAX = 2**53 - 1
"""The largest integer that a reader with IEEE 754 doubles keeps exact (RFC 8785, section 3.2.2.3)."""

DEPTH_MAX = 32
"""Objects and lists nest at most this deep, so that no input exhausts the stack."""


def canonicalise(value: object) -> bytes:
    """Return the UTF-8 bytes of a value's canonical JSON.

    Raises NotCanonicalError if the value holds anything but the types above. Source: RFC 8785.
    """
    try:
        return _write(value, DEPTH_MAX).encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a string holds half of a surrogate pair") from error


def parse_strict(data: bytes) -> object:
    """Parse UTF-8 JSON without fractions, repeated names, or anything after the value.

    Raises MalformedDocumentError if the bytes are not such JSON.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_collect_once, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedDocumentError(f"not strict JSON: {error}") from error


def _write(value: object, depth: int) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return _write_integer(value)
    if depth == 0:
        raise NotCanonicalError(f"nested more than {DEPTH_MAX} deep")
    if isinstance(value, list):
        return "[" + ",".join(_write(item, depth - 1) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_write(value[key], depth - 1)}" for key in _sort_keys(value)) + "}"
    raise NotCanonicalError(f"a {type(value).__name__} has no canonical form here")


def _write_integer(value: int) -> str:
    if abs(value) > INTEGER_MAX:
        raise NotCanonicalError(f"an integer is beyond {INTEGER_MAX}")
    return str(int(value))


def _sort_keys(members: dict[object, object]) -> list[str]:
    keys = [key for key in members if isinstance(key, str) and key.isascii()]
    if len(keys) != len(members):
        raise NotCanonicalError("an object has a key that is not an ASCII string")
    return sorted(keys)


def _collect_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refuse(text: str) -> None:
    raise ValueError(f"the number {text[:40]} is not an integer")
