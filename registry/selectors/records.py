"""Finds records, and says how far each is on its way into Bitcoin."""

from uuid import UUID

from django.db.models import QuerySet

from registry.errors import RecordNotFoundError
from registry.models import Anchor, Batch, Record

REGISTERED = "REGISTERED"
SEALED = "SEALED"


def list_records(*, sha256: bytes | None = None) -> QuerySet[Record]:
    """Return records, newest first, with their batch and anchor; only those of a digest if one is given."""
    records = Record.objects.select_related("batch__anchor__current", "batch__register")
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


def find_anchor(record: Record) -> Anchor | None:
    """Return the anchor of a record's batch, or None if it has none yet."""
    batch = find_sealed_batch(record)
    if batch is None:
        return None
    try:
        anchor: Anchor = batch.anchor
    except Anchor.DoesNotExist:
        return None
    return anchor


def get_state(record: Record) -> str:
    """Return REGISTERED, SEALED, or the state of the record's anchor."""
    if find_sealed_batch(record) is None:
        return REGISTERED
    anchor = find_anchor(record)
    return SEALED if anchor is None else str(anchor.state)


def list_batches() -> QuerySet[Batch]:
    """Return sealed batches, newest first, with their anchors."""
    sealed = Batch.objects.filter(state=Batch.State.SEALED)
    return sealed.select_related("anchor__current", "register").order_by("-seq")


def list_batch_records(batch: Batch, *, start: int = 0, end: int | None = None) -> QuerySet[Record]:
    """Return the records of a batch in the order of their leaves, those at positions from `start` to before `end`.

    They are found by their range of indexes. A caller names its range here, for SQLite searches by one lower and one
    upper bound only: with a second pair in a filter it may read the whole batch.
    """
    end = batch.size if end is None else min(end, batch.size)
    indexes = {"index__gte": batch.first_index + start, "index__lt": batch.first_index + end}
    return Record.objects.filter(batch=batch, **indexes).order_by("index")
