"""Anchors by the state that they are in, found by small partial indexes, however many are final.

None of these queries has a condition on the register or its network: without statistics, SQLite would start from there
and read every batch. What belongs to another network is left out of the few rows that are found.
"""

from typing import Any
from uuid import UUID

from django.conf import settings

from registry.models import Anchor, Register


def list_unmined(register: Register | None = None) -> list[Anchor]:
    """Return the anchors that wait for a block, in order: of a register, or of all of the settings' network."""
    waiting = Anchor.objects.filter(height=None).select_related("current", "batch__register")
    found = [anchor for anchor in waiting.order_by() if anchor.batch.register.network == settings.CADASTRE_NETWORK]
    if register is not None:
        found = [anchor for anchor in found if anchor.batch.register_id == register.id]
    return sorted(found, key=lambda anchor: (anchor.batch.register_id, anchor.batch.seq))


def list_anchor_ids(**conditions: Any) -> list[UUID]:
    """Return the ids of the network's anchors that meet conditions on columns of their own."""
    rows = Anchor.objects.filter(**conditions).order_by().values_list("id", "batch__register__network")
    return [anchor_id for anchor_id, network in rows if network == settings.CADASTRE_NETWORK]
