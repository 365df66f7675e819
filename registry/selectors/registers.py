"""Which register is in use, and which ones came before it. One database may hold registers of several networks."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.db.models import QuerySet

from chain.consumers import name_consumer
from registry.errors import RegisterMissingError
from registry.models import Record, Register

OUTPOINT = re.compile("[0-9a-f]{64}:(0|[1-9][0-9]{0,9})")
"""A first outpoint as it is written everywhere: the txid in display order, and the number of the output."""


def get_consumer() -> str:
    """Return the name under which the registry follows the chain: each network has a cursor of its own."""
    return name_consumer("registry")


def find_register() -> Register | None:
    """Return the active register of the settings' network: the one that no other succeeds. None before founding."""
    return Register.objects.filter(network=settings.CADASTRE_NETWORK, successor=None).first()


def get_register() -> Register:
    """Return the active register of the settings' network. Raises RegisterMissingError if none has been founded."""
    register = find_register()
    if register is None:
        raise RegisterMissingError
    return register


def get_register_at(*, txid: str, vout: int) -> Register:
    """Return the register of the settings' network with this first outpoint, active or succeeded.

    Raises RegisterMissingError if there is none.
    """
    found = list_registers().filter(first_txid=txid, first_vout=vout).first()
    if found is None:
        raise RegisterMissingError("There is no register with this first outpoint.")
    return found


def choose_register(outpoint: str = "") -> Register:
    """Return the register with a first outpoint of the form `TXID:VOUT`, or the active one if none is named.

    Raises RegisterMissingError if there is none, or the text is of another form.
    """
    if not outpoint:
        return get_register()
    if not OUTPOINT.fullmatch(outpoint):
        raise RegisterMissingError(f"{outpoint[:100]!r} is not a first outpoint, TXID:VOUT.")
    txid, _, vout = outpoint.partition(":")
    return get_register_at(txid=txid, vout=int(vout))


def list_registers() -> QuerySet[Register]:
    """Return the registers of the settings' network, newest first."""
    return Register.objects.filter(network=settings.CADASTRE_NETWORK).order_by("-id")


@dataclass(frozen=True, slots=True)
class Succession:
    """That a register says it continues another, in the record of kind 7 that its first batch begins with.

    Nothing proves it: the old register's key was lost, so it could not sign, and anyone can cite a register. Where it
    is shown it must be shown as unproven.
    """

    register: Register
    succeeds: Register
    record: Record
    is_proven: bool = False


def find_succession(register: Register) -> Succession | None:
    """Return what a register says of the one before it, or None if it succeeds none."""
    if register.succeeds is None:
        return None
    record = Record.objects.filter(kind=Record.Kind.SUCCESSION, batch__register=register, batch__seq=0, index=0).first()
    if record is None:
        raise RegisterMissingError("The register's first batch does not begin with a record of its succession.")
    return Succession(register=register, succeeds=register.succeeds, record=record)
