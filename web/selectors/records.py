"""What the pages of records and batches show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from registry.errors import PolicyNotFoundError, RegistryError
from registry.models import Batch, Record, SplitPolicy
from registry.selectors.records import find_sealed_batch, get_record, get_state, list_batches, list_records
from registry.selectors.terms import get_policy, list_lines
from web.plats import Parcel, draw_plat
from web.selectors.payees import PayeeRow, list_payees
from web.selectors.ways import AnchorView, PathStep, find_anchor_view, find_record_anchor, list_path

PAGE_ROWS = 25


class BatchNotFoundError(RegistryError):
    """There is no such batch."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record in a list."""

    record: Record
    state: str
    plat: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class RecordList:
    """Some records, and where the list goes on: the last one's id or index, or None at the end."""

    rows: tuple[RecordRow, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record with its way into Bitcoin (`batch` is None, and `path` empty, before it is sealed) and who is paid."""

    record: Record
    batch: Batch | None
    state: str
    plat: tuple[Parcel, ...]
    path: list[PathStep]
    anchor: AnchorView | None
    policy: SplitPolicy | None
    payees: list[PayeeRow]


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch with its anchor and some of its records, in the order of their leaves."""

    batch: Batch
    state: str
    anchor: AnchorView | None
    records: RecordList


def get_newest_records(*, before: UUID | None) -> RecordList:
    """Return a page of records, newest first: keys sort by time."""
    records = list_records().order_by("-id")
    if before is not None:
        records = records.filter(id__lt=before)
    found = list(records[: PAGE_ROWS + 1])
    return _make_list(found, cursor=lambda record: str(record.id))


def get_record_view(record_id: UUID, *, now: datetime) -> RecordView:
    """Return what a record's page shows. Raises RecordNotFoundError if there is no such record."""
    record = get_record(record_id)
    policy = _find_policy(record, now=now)
    return RecordView(
        record=record,
        batch=find_sealed_batch(record),
        state=get_state(record),
        plat=draw_plat(bytes(record.leaf)),
        path=list_path(record),
        anchor=find_record_anchor(record),
        policy=policy,
        payees=list_payees(list_lines(policy)) if policy else [],
    )


def get_batch_view(seq: int, *, from_index: int | None) -> BatchView:
    """Return what a batch's page shows, its records from an index on. Raises BatchNotFoundError if there is none."""
    batch = list_batches().filter(seq=seq).first()
    if batch is None:
        raise BatchNotFoundError
    anchor = find_anchor_view(batch)
    first = batch.first_index if from_index is None else from_index
    end = batch.first_index + batch.size
    records = list_records().filter(batch=batch, index__gte=first, index__lt=end).order_by("index")
    found = list(records[: PAGE_ROWS + 1])
    return BatchView(
        batch=batch,
        state=anchor.state if anchor else "SEALED",
        anchor=anchor,
        records=_make_list(found, cursor=lambda record: str((record.index or 0) + 1)),
    )


def make_rows(records: Iterable[Record]) -> tuple[RecordRow, ...]:
    """Return the rows of a list of records whose batch and anchor are loaded."""
    return tuple(
        RecordRow(record=record, state=get_state(record), plat=draw_plat(bytes(record.leaf))) for record in records
    )


def _make_list(found: Sequence[Record], *, cursor: Callable[[Record], str]) -> RecordList:
    """Return a page of at most PAGE_ROWS; one record more was read to know whether the list goes on."""
    shown = found[:PAGE_ROWS]
    return RecordList(rows=make_rows(shown), next_cursor=cursor(shown[-1]) if len(found) > PAGE_ROWS else None)


def _find_policy(record: Record, *, now: datetime) -> SplitPolicy | None:
    if record.work_id is None:
        return None
    try:
        return get_policy(work_id=record.work_id, territory=None, at=now)
    except PolicyNotFoundError:
        return None
