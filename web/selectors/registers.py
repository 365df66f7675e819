"""Which register a page is about: the active one, or one that it succeeds, named by its first outpoint."""

import re

from registry.errors import RegisterMissingError
from registry.models import Register
from registry.selectors.registers import find_register, get_register_at

OUTPOINT = re.compile("([0-9a-f]{64}):([0-9]{1,10})")


def find_named_register(outpoint: str) -> Register | None:
    """Return the network's register with a first outpoint (txid:vout), or for "" the active one, if there is one.

    Raises RegisterMissingError if no register has this outpoint.
    """
    if not outpoint:
        return find_register()
    found = OUTPOINT.fullmatch(outpoint)
    if found is None:
        raise RegisterMissingError(f"{outpoint!r} is no outpoint.")
    return get_register_at(txid=found[1], vout=int(found[2]))


def get_outpoint(register: Register) -> str:
    """Return a register's first outpoint, which is its identity."""
    return f"{register.first_txid}:{register.first_vout}"
