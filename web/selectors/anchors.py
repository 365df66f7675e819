"""What the pages of the chain of anchors show."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count, QuerySet

from registry.errors import RegistryError
from registry.models import Anchor, AnchorTransaction, Register
from registry.selectors.batches import get_register_fields
from registry.selectors.registers import Succession, find_succession
from web.drawings.chains import Link, VersionLink, draw_anchor, draw_chain
from web.drawings.sheets import Drawing
from web.selectors.checks import WayChecks, list_checks
from web.selectors.registers import find_named_register, get_outpoint
from web.selectors.ways import AnchorView, find_anchor_view

PAGE_ANCHORS = 24
VERSIONS_MAX = 100
"""Versions that an anchor's page lists, the newest; more would mean that no fee was ever enough."""


class AnchorNotFoundError(RegistryError):
    """There is no anchor with this transaction."""


@dataclass(frozen=True, slots=True)
class ChainRow:
    """An anchor in the list: the version that counts, and how many versions there are."""

    anchor: Anchor
    versions: int


@dataclass(frozen=True, slots=True)
class ChainView:
    """The register's identity and a page of its chain; `register` is None before it is founded.

    `previous_seq` and `next_seq` are where the pages beside this one begin, None at the ends; `last_seq` begins the
    last one. `succession` is what the register says of the one before it, `successor` the one that says so of it.
    """

    register: Register | None
    from_seq: int
    picture: Drawing
    genesis_hash: str = ""
    succession: Succession | None = None
    successor: Register | None = None
    rows: tuple[ChainRow, ...] = ()
    anchors: int = 0
    previous_seq: int | None = None
    next_seq: int | None = None
    last_seq: int = 0


@dataclass(frozen=True, slots=True)
class VersionView:
    """One version of an anchor's transaction; `fate` says what became of it."""

    row: AnchorTransaction
    fate: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class AnchorPage:
    """One anchor with all its versions, between the anchors before and after it. `asked_txid` may be any version's.

    `deadline_height` is the block by which it must be in one, unless it is; None before that is known.
    """

    anchor: Anchor
    view: AnchorView
    asked_txid: str
    versions: tuple[VersionView, ...]
    before: Anchor | None
    after: Anchor | None
    first_outpoint: str
    deadline_height: int | None
    picture: Drawing
    checks: WayChecks


def get_chain_view(*, outpoint: str, from_seq: int) -> ChainView:
    """Return a page of a chain of anchors, in the chain's order, from a batch's number on.

    `outpoint` (txid:vout) names one of the network's registers, "" the active one.
    Raises RegisterMissingError if there is no such register.
    """
    register = find_named_register(outpoint)
    if register is None:
        return ChainView(register=None, from_seq=from_seq, picture=draw_chain([], has_more=False))
    anchors = _list_anchors(register)
    last = anchors.order_by("-batch__seq").values_list("batch__seq", flat=True).first()
    count = 0 if last is None else last + 1
    listed = anchors.filter(batch__seq__gte=from_seq).annotate(versions=Count("transactions")).order_by("batch__seq")
    found = list(listed[: PAGE_ANCHORS + 1])
    shown = found[:PAGE_ANCHORS]
    has_more = len(found) > PAGE_ANCHORS
    return ChainView(
        register=register,
        from_seq=from_seq,
        genesis_hash=get_register_fields(register)[0][::-1].hex(),
        succession=find_succession(register),
        successor=Register.objects.filter(succeeds=register).first(),
        rows=tuple(ChainRow(anchor=anchor, versions=anchor.versions) for anchor in shown),
        picture=draw_chain([_make_link(anchor) for anchor in shown], has_more=has_more),
        anchors=count,
        previous_seq=max(0, from_seq - PAGE_ANCHORS) if from_seq > 0 else None,
        next_seq=shown[-1].batch.seq + 1 if has_more else None,
        last_seq=(count - 1) // PAGE_ANCHORS * PAGE_ANCHORS if count else 0,
    )


def get_anchor_page(txid: str) -> AnchorPage:
    """Return what the page of an anchor shows; the txid is that of any of its versions.

    Raises AnchorNotFoundError if there is none.
    """
    version = AnchorTransaction.objects.filter(txid=txid).values_list("anchor_id", flat=True).first()
    if version is None:
        raise AnchorNotFoundError
    anchor = Anchor.objects.select_related("batch__register", "current").get(id=version)
    view = find_anchor_view(anchor.batch)
    if view is None:
        raise AnchorNotFoundError
    register = anchor.batch.register
    beside = {
        other.batch.seq: other
        for other in _list_anchors(register).filter(batch__seq__in=[anchor.batch.seq - 1, anchor.batch.seq + 1])
    }
    before, after = beside.get(anchor.batch.seq - 1), beside.get(anchor.batch.seq + 1)
    versions = _list_versions(anchor)
    first_outpoint = get_outpoint(register)
    return AnchorPage(
        anchor=anchor,
        view=view,
        asked_txid=txid,
        versions=versions,
        before=before,
        after=after,
        first_outpoint=first_outpoint,
        deadline_height=None
        if anchor.waiting_from_height is None
        else anchor.waiting_from_height + settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS,
        picture=draw_anchor(
            link=_make_link(anchor),
            before=_make_link(before) if before else None,
            after=_make_link(after) if after else None,
            versions=_make_version_links(versions),
            first_outpoint=first_outpoint,
        ),
        checks=list_checks(record=None, place=None, path=None, batch=anchor.batch, anchor=view),
    )


def _list_anchors(register: Register) -> QuerySet[Anchor]:
    return (
        Anchor.objects.filter(batch__register=register)
        .select_related("batch__register", "current")
        .defer("batch__subtree_roots")
    )


def _list_versions(anchor: Anchor) -> tuple[VersionView, ...]:
    """Return an anchor's versions, the oldest first."""
    newest = list(anchor.transactions.order_by("-version")[:VERSIONS_MAX])
    return tuple(
        VersionView(row=row, fate=_tell_fate(anchor, row), is_current=row.id == anchor.current_id)
        for row in reversed(newest)
    )


def _tell_fate(anchor: Anchor, row: AnchorTransaction) -> str:
    """Say what became of a version. Only one can be mined, since all spend the same output."""
    if row.id != anchor.current_id:
        return "replaced"
    return f"waits, {anchor.state}" if anchor.height is None else f"in block {anchor.height:,}"


def _make_link(anchor: Anchor) -> Link:
    txid = anchor.current.txid if anchor.current else ""
    return Link(seq=anchor.batch.seq, state=anchor.state, height=anchor.height, txid=txid)


def _make_version_links(versions: Sequence[VersionView]) -> list[VersionLink]:
    return [
        VersionLink(
            version=view.row.version,
            txid=view.row.txid,
            fee_sat=view.row.fee_sat,
            fate=view.fate,
            is_current=view.is_current,
        )
        for view in versions
    ]
