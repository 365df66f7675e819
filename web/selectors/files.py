"""What "my files" shows of a person's links. Names and keys are not here: only the person's browser has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db.models import Count

from payouts.models import Entitlement
from registry.models import Record
from registry.selectors.records import get_state
from storage.models import Link
from storage.selectors import get_link_url, list_links

PAGE_ROWS = 25


class LinkState(StrEnum):
    """Whether a link can be used, and why not."""

    OPEN = "OPEN"
    EXPIRED = "EXPIRED"
    USED_UP = "USED_UP"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True)
class FileRow:
    """One link: its address without a key, whether it can be used, its record, and how often it was paid."""

    link: Link
    url: str
    state: LinkState
    record: Record | None
    record_state: str
    transfers_paid: int


@dataclass(frozen=True, slots=True)
class FileList:
    """Some links, the newest first, and the id of the last one if there are older ones."""

    rows: tuple[FileRow, ...]
    next_cursor: UUID | None


def get_file_list(*, owner_id: UUID, before: UUID | None, now: datetime) -> FileList:
    """Return a person's links that are older than the one named by `before`, or the newest ones."""
    found = list_links(owner_id=owner_id)
    if before is not None:
        # The ids are made in the order of time.
        found = found.filter(id__lt=before)
    links = list(found.order_by("-id")[: PAGE_ROWS + 1])
    shown = links[:PAGE_ROWS]
    return FileList(
        rows=tuple(_make_rows(shown, now=now)), next_cursor=shown[-1].id if len(links) > PAGE_ROWS else None
    )


def get_link_state(link: Link, *, now: datetime) -> LinkState:
    """Return whether a transfer of a link may begin."""
    if link.disabled_at is not None:
        return LinkState.DISABLED
    if link.expires_at is not None and link.expires_at <= now:
        return LinkState.EXPIRED
    return LinkState.USED_UP if link.transfers_left == 0 else LinkState.OPEN


def _make_rows(links: list[Link], *, now: datetime) -> Iterable[FileRow]:
    records = {record.blob_id: record for record in Record.objects.filter(blob_id__in=[link.blob_id for link in links])}
    paid = dict(Entitlement.objects.filter(link__in=links).order_by().values_list("link_id").annotate(paid=Count("id")))
    for link in links:
        record = records.get(link.blob_id)
        yield FileRow(
            link=link,
            url=get_link_url(link.id),
            state=get_link_state(link, now=now),
            record=record,
            record_state=get_state(record) if record else "",
            transfers_paid=paid.get(link.id, 0),
        )
