"""Finds what a visitor pasted: a record's id, a batch's number, a digest, or another hash of the register."""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from registry.models import Anchor, Batch, Record, Register
from registry.selectors.records import list_batches
from registry.selectors.registers import list_registers
from storage.models import Blob
from web.selectors.records import RecordRow, list_record_rows, make_rows

RESULTS_MAX = 50
HASH = re.compile("([0-9a-f]{64})(?::[0-9]{1,10})?")
"""A hash; behind a txid may stand the number of an output."""

NUMBER = re.compile("(?:batch|#)?([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found. `is_understood` tells nothing found from nothing to look for.

    `registers` are those that it names by the transaction of their first outpoint.
    """

    is_understood: bool
    records: tuple[RecordRow, ...] = ()
    batches: tuple[Batch, ...] = ()
    anchors: tuple[Anchor, ...] = ()
    registers: tuple[Register, ...] = ()

    @property
    def count(self) -> int:
        """How many things were found."""
        return len(self.records) + len(self.batches) + len(self.anchors) + len(self.registers)


def search(text: str) -> Findings:
    """Return what an id, a number or a hash names; white space within it is ignored, as copied groups have it.

    A digest may stand behind `sha256:`. Only txids and block hashes are in display order. At most RESULTS_MAX of each.
    """
    text = "".join(text.split()).lower().removeprefix("sha256:")
    if found := HASH.fullmatch(text):
        return _search_hash(found[1])
    if found := NUMBER.fullmatch(text):
        batches = list_batches().defer("subtree_roots").filter(seq=int(found[1]))
        return Findings(is_understood=True, batches=tuple(batches))
    try:
        record_id = UUID(text)
    except ValueError:
        return Findings(is_understood=False)
    return Findings(is_understood=True, records=make_rows(list_record_rows().filter(id=record_id)))


def _search_hash(text: str) -> Findings:
    """Look a hash up wherever the register has one."""
    value = bytes.fromhex(text)
    records = list_record_rows().filter(
        id__in=_unite(Record, Q(sha256=value), Q(leaf=value), Q(blob__in=Blob.objects.filter(root=value).values("id")))
    )
    batches = (
        Batch.objects.select_related("register")
        .defer("subtree_roots")
        .order_by("-sealed_at")
        .filter(id__in=_unite(Batch, Q(commitment=value), Q(root=value)))
    )
    anchors = Anchor.objects.select_related("batch", "current").filter(
        id__in=_unite(Anchor, Q(transactions__txid=text), Q(block_hash=text))
    )
    return Findings(
        is_understood=True,
        records=make_rows(records[:RESULTS_MAX]),
        batches=tuple(batches[:RESULTS_MAX]),
        anchors=tuple(anchors.order_by("batch__seq")[:RESULTS_MAX]),
        registers=tuple(list_registers().filter(first_txid=text)),
    )


def _unite(model: type[Model], *conditions: Q) -> QuerySet[Any, Any]:
    """Return the ids of the rows that meet any of the conditions.

    A union lets each condition use its own index; an OR over several tables would read whole tables.
    """
    first, *others = [model._default_manager.filter(condition).order_by().values("id") for condition in conditions]  # noqa: SLF001  Django documents it
    return first.union(*others)
