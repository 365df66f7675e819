"""What the page behind a link shows. The key stays in the fragment, which browsers do not send."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from registry.errors import PolicyNotFoundError, RecordNotReadyError
from registry.models import Record
from registry.selectors.records import get_record, get_state
from registry.selectors.terms import get_terms
from storage.models import Link
from storage.selectors import get_link
from web.selectors.payees import PayeeRow, list_payees


@dataclass(frozen=True, slots=True)
class LinkView:
    """A link, and its record with who is paid once the blob is registered."""

    link: Link
    record: Record | None
    state: str
    payees: list[PayeeRow]


def get_link_view(link_id: UUID, *, now: datetime) -> LinkView:
    """Return what a link's page shows.

    Raises LinkNotFoundError if there is no such link, LinkEndedError if it serves no more, DigestBlockedError.
    """
    link = get_link(link_id, now=now)
    try:
        terms = get_terms(link_id=link_id, territory=None, at=now)
    except RecordNotReadyError:
        return LinkView(link=link, record=None, state="", payees=[])
    except PolicyNotFoundError:
        record = Record.objects.get(blob_id=link.blob_id)
        return LinkView(link=link, record=record, state=get_state(record), payees=[])
    record = get_record(terms.record_id)
    return LinkView(link=link, record=record, state=get_state(record), payees=list_payees(terms.lines))
