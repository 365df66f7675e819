"""Parameters of calls: by position or by name, with the types that a call's signature declares."""

import inspect
import types
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from chain.devnode.rpc_errors import (
    RPC_INVALID_PARAMETER,
    RPC_INVALID_REQUEST,
    RPC_MISC_ERROR,
    RPC_TYPE_ERROR,
    RpcError,
)

_HASH_CHARACTERS = 64
_JSON_NAMES = {
    str: "string",
    int: "number",
    Decimal: "number",
    bool: "bool",
    list: "array",
    type(None): "null",
}


def bind_parameters(call: Callable[..., Any], given: object) -> dict[str, Any]:
    """Return the call's arguments by name; null counts as left out.

    Raises RpcError: -32600 if `given` is no array or object, -8 if a name is unknown, -1 if there are too
    few or too many, -3 if a type is wrong.
    """
    allowed = _read_signature(call)
    names = list(allowed)
    if isinstance(given, dict):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise RpcError(RPC_INVALID_PARAMETER, f"Unknown named parameter {unknown[0]}")
        arguments = dict(given)
    elif isinstance(given, list):
        if len(given) > len(names):
            raise RpcError(RPC_MISC_ERROR, f"{call.__name__} takes at most {len(names)} parameters")
        arguments = dict(zip(names, given, strict=False))
    else:
        raise RpcError(RPC_INVALID_REQUEST, "Params must be an array or object")
    arguments = {name: value for name, value in arguments.items() if value is not None}
    for name, (_, is_required) in allowed.items():
        if is_required and name not in arguments:
            raise RpcError(RPC_MISC_ERROR, f"{call.__name__} needs the parameter {name}")
    for name, value in arguments.items():
        _check_type(name, value, allowed[name][0])
    return arguments


def check_hash(text: str, name: str) -> None:
    """Raise RpcError (-8) unless the text is 32 bytes in hex."""
    if len(text) != _HASH_CHARACTERS:
        message = f"{name} must be of length {_HASH_CHARACTERS} (not {len(text)}, for '{text}')"
        raise RpcError(RPC_INVALID_PARAMETER, message)
    if not set(text.lower()) <= set("0123456789abcdef"):
        raise RpcError(RPC_INVALID_PARAMETER, f"{name} must be hexadecimal string (not '{text}')")


def _check_type(name: str, value: object, allowed: tuple[type, ...]) -> None:
    """Raise RpcError (-3) unless the value has one of the types; a boolean is no number."""
    if type(value) not in allowed:
        found = _JSON_NAMES.get(type(value), "object")
        wanted = " or ".join(dict.fromkeys(_JSON_NAMES[item] for item in allowed if item is not type(None)))
        raise RpcError(RPC_TYPE_ERROR, f"Parameter {name}: JSON value of type {found} is not of expected type {wanted}")


@cache
def _read_signature(call: Callable[..., Any]) -> dict[str, tuple[tuple[type, ...], bool]]:
    """Return the types of each parameter after the node, and whether it is required."""
    hints = get_type_hints(call)
    parameters = list(inspect.signature(call).parameters.values())[1:]
    return {item.name: (_flatten(hints[item.name]), item.default is item.empty) for item in parameters}


def _flatten(hint: Any) -> tuple[type, ...]:
    """Return the plain types of a type expression."""
    if get_origin(hint) in {Union, types.UnionType}:
        return tuple(item for part in get_args(hint) for item in _flatten(part))
    return (get_origin(hint) or hint,)
