"""The addresses of pages that exist once for each register: that of a succeeded one is named by its first outpoint."""

from django.urls import reverse

from registry.models import Register
from web.selectors.registers import get_outpoint


def get_batch_address(of: Register, seq: int, *, active: Register | None) -> str:
    """Return the address of a batch's page."""
    return reverse("batch", args=[seq]) + name_register(of, active=active, separator="?")


def get_chain_address(of: Register, seq: int = 0, *, active: Register | None) -> str:
    """Return the address of a chain of anchors, from a batch's number on."""
    start = f"?from={seq}" if seq else ""
    return reverse("anchors") + start + name_register(of, active=active, separator="&" if seq else "?")


def name_register(of: Register, *, active: Register | None, separator: str) -> str:
    """Return the part of an address's query that names a register: nothing for the active one."""
    # Compared by key: `active` may be an object that is loaded only now.
    is_active = bool(active) and active is not None and active.pk == of.pk
    return "" if is_active else f"{separator}register={get_outpoint(of)}"
