"""What the pages of records and batches show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from registry.errors import PolicyNotFoundError, RegistryError
from registry.models import Batch, Record, SplitPolicy
from registry.selectors.records import Place, find_place, get_leaf_holder, get_record, get_state, list_records
from registry.selectors.terms import get_policy, list_lines
from web.drawings.sheets import Drawing
from web.drawings.ways import draw_way
from web.plats import Parcel, draw_plat
from web.selectors.checks import WayChecks, list_checks
from web.selectors.payees import PayeeRow, list_payees
from web.selectors.registers import find_named_register
from web.selectors.ways import AnchorView, find_anchor_view, find_path, find_record_anchor

PAGE_ROWS = 25


class BatchNotFoundError(RegistryError):
    """There is no such batch."""


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record in a list; `place` is None before it is sealed."""

    record: Record
    place: Place | None
    state: str
    plat: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class RecordList:
    """Some records, and where the list goes on: the last one's id or index, or None at the end."""

    rows: tuple[RecordRow, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class RecordView:
    """One record with its way into Bitcoin (drawn, and hash by hash) and who is paid.

    `place` is None before it is sealed.
    """

    record: Record
    place: Place | None
    state: str
    plat: tuple[Parcel, ...]
    anchor: AnchorView | None
    picture: Drawing
    checks: WayChecks
    policy: SplitPolicy | None
    payees: list[PayeeRow]


@dataclass(frozen=True, slots=True)
class BatchView:
    """One batch with its way into Bitcoin and some of its records, in the order of their leaves.

    `previous_index` is where the page of records before these begins, None on the first one.
    """

    batch: Batch
    state: str
    anchor: AnchorView | None
    picture: Drawing
    checks: WayChecks
    records: RecordList
    last_index: int
    previous_index: int | None
    has_next: bool


def list_record_rows() -> QuerySet[Record]:
    """Return records with what a row shows of them, and without what it does not: documents, a batch's inner hashes."""
    return list_records().defer("document", "batch__subtree_roots")


def get_newest_records(*, before: UUID | None) -> RecordList:
    """Return a page of records, newest first: keys sort by time."""
    records = list_record_rows().order_by("-id")
    if before is not None:
        records = records.filter(id__lt=before)
    found = list(records[: PAGE_ROWS + 1])
    return _make_list(found, cursor=lambda record: str(record.id))


def get_record_view(record_id: UUID, *, now: datetime) -> RecordView:
    """Return what a record's page shows. Raises RecordNotFoundError if there is no such record."""
    record = get_record(record_id)
    place, path, anchor = find_place(record), find_path(record), find_record_anchor(record)
    batch = place.batch if place else None
    policy = _find_policy(record, now=now)
    return RecordView(
        record=record,
        place=place,
        state=get_state(record),
        plat=draw_plat(bytes(record.leaf)),
        anchor=anchor,
        picture=draw_way(
            record=record,
            path=path,
            place=place,
            batch=batch,
            anchor=anchor,
            confirmations_final=settings.CADASTRE_CONFIRMATIONS_FINAL,
        ),
        checks=list_checks(record=record, place=place, path=path, batch=batch, anchor=anchor),
        policy=policy,
        payees=list_payees(list_lines(policy)) if policy else [],
    )


def get_batch_view(seq: int, *, outpoint: str, from_index: int | None) -> BatchView:
    """Return what a batch's page shows, its records from an index on.

    `outpoint` (txid:vout) names one of the network's registers, "" the active one.
    Raises BatchNotFoundError if there is no such batch, RegisterMissingError if there is no such register.
    """
    register = find_named_register(outpoint)
    batches = Batch.objects.filter(register=register, state=Batch.State.SEALED).select_related("anchor__current")
    batch = batches.select_related("register", "continues").defer("subtree_roots").filter(seq=seq).first()
    if batch is None:
        raise BatchNotFoundError
    anchor = find_anchor_view(batch)
    first = batch.first_index if from_index is None else max(from_index, batch.first_index)
    return BatchView(
        batch=batch,
        state=anchor.state if anchor else "SEALED",
        anchor=anchor,
        picture=draw_way(
            record=None,
            path=None,
            place=None,
            batch=batch,
            anchor=anchor,
            confirmations_final=settings.CADASTRE_CONFIRMATIONS_FINAL,
        ),
        checks=list_checks(record=None, place=None, path=None, batch=batch, anchor=anchor),
        records=_list_leaves(batch, first=first),
        last_index=batch.first_index + batch.size - 1,
        previous_index=max(batch.first_index, first - PAGE_ROWS) if first > batch.first_index else None,
        has_next=batches.filter(seq=seq + 1).exists(),
    )


def _list_leaves(batch: Batch, *, first: int) -> RecordList:
    """Return a page of a batch's records from an index on; those that it continues keep the index that they had."""
    holder = get_leaf_holder(batch)
    moved = batch.first_index - holder.first_index
    rows = list_record_rows().filter(batch_id=holder.id, index__gte=first - moved).order_by("index")
    found = list(rows[: PAGE_ROWS + 1])
    return _make_list(found, cursor=lambda record: str((record.index or 0) + moved + 1))


def make_rows(records: Iterable[Record]) -> tuple[RecordRow, ...]:
    """Return the rows of a list of records whose batch and anchor are loaded."""
    return tuple(
        RecordRow(record=record, place=find_place(record), state=get_state(record), plat=draw_plat(bytes(record.leaf)))
        for record in records
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
