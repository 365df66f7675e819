"""Finds records, and says how far each is on its way into Bitcoin."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import QuerySet

from registry.errors import RecordNotFoundError
from registry.models import Anchor, Batch, Record, Register
from registry.selectors.registers import find_register

REGISTERED = "REGISTERED"
SEALED = "SEALED"


def list_records(*, sha256: bytes | None = None) -> QuerySet[Record]:
    """Return records, newest first, with their batch and anchor; only those of a digest if one is given."""
    records = Record.objects.select_related(
        *("batch__anchor__current", "batch__register"),
        *("batch__continued_by__anchor__current", "batch__continued_by__register"),
    )
    return records if sha256 is None else records.filter(sha256=sha256)


def get_record(record_id: UUID) -> Record:
    """Return a record with its batch and anchor. Raises RecordNotFoundError if there is none."""
    record = list_records().filter(id=record_id).first()
    if record is None:
        raise RecordNotFoundError
    return record


def find_sealed_batch(record: Record) -> Batch | None:
    """Return the batch that a record is sealed in, or None while it waits or its batch is OPEN."""
    batch = record.batch
    return batch if batch is not None and batch.state == Batch.State.SEALED else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: its batch, and its index in that batch's register."""

    batch: Batch
    index: int


def find_place(record: Record) -> Place | None:
    """Return where a record stands, or None while it is in no sealed batch.

    A batch that its register never anchored is continued by one of the register that succeeds it, with the same leaves
    in the same order. Then the newest of both that is in a block counts, or the newest if none is.
    """
    holder = find_sealed_batch(record)
    if holder is None or record.index is None:
        return None
    batches = [holder]
    while (continued_by := _find_continued_by(batches[-1])) is not None:
        batches.append(continued_by)
    mined = [batch for batch in batches if (anchor := find_batch_anchor(batch)) and anchor.height is not None]
    batch = (mined or batches)[-1]
    return Place(batch=batch, index=batch.first_index + record.index - holder.first_index)


def find_batch_anchor(batch: Batch) -> Anchor | None:
    """Return the anchor of a batch, or None if it has none yet."""
    try:
        anchor: Anchor = batch.anchor
    except Anchor.DoesNotExist:
        return None
    return anchor


def find_anchor(record: Record) -> Anchor | None:
    """Return the anchor of a record's batch, or None if it has none yet."""
    place = find_place(record)
    return None if place is None else find_batch_anchor(place.batch)


def _find_continued_by(batch: Batch) -> Batch | None:
    try:
        continued_by: Batch = batch.continued_by
    except Batch.DoesNotExist:
        return None
    return continued_by


def get_state(record: Record) -> str:
    """Return REGISTERED, SEALED, or the state of the record's anchor."""
    if find_sealed_batch(record) is None:
        return REGISTERED
    anchor = find_anchor(record)
    return SEALED if anchor is None else str(anchor.state)


def list_batches(register: Register | None = None) -> QuerySet[Batch]:
    """Return a register's sealed batches, newest first, with their anchors; without one, the active register's."""
    sealed = Batch.objects.filter(register=register or find_register(), state=Batch.State.SEALED)
    return sealed.select_related("anchor__current", "register").order_by("-seq")


def list_batch_records(batch: Batch, *, start: int = 0, end: int | None = None) -> QuerySet[Record]:
    """Return the records of a batch in the order of their leaves, those at positions from `start` to before `end`.

    They are found by their range of indexes. A caller names its range here, for SQLite searches by one lower and one
    upper bound only: with a second pair in a filter it may read the whole batch. Those of a batch that continues
    another keep the indexes that they had there.
    """
    end = batch.size if end is None else min(end, batch.size)
    holder = get_leaf_holder(batch)
    indexes = {"index__gte": holder.first_index + start, "index__lt": holder.first_index + end}
    return Record.objects.filter(batch=holder, **indexes).order_by("index")


def get_leaf_holder(batch: Batch) -> Batch:
    """Return the batch that a batch's leaves are stored with: itself, or the first of those that it continues."""
    while batch.continues is not None:
        batch = batch.continues
    return batch
