"""Draws the chain of anchors: a page of it in rows, and one anchor between its neighbours with its versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from web.drawings.sheets import WIDTH, Drawing, Sheet, shorten

COLUMNS = 5
CELL_WIDTH, CELL_HEIGHT = WIDTH // COLUMNS, 64
LINK_WIDTH, LINK_HEIGHT = 58, 40

MIDDLE = WIDTH // 2
BOX_LEFT, BOX_WIDTH, BOX_HEIGHT = 60, WIDTH - 120, 48
GAP = 36
VERSIONS_DRAWN_MAX = 3
VERSION_WIDTH, VERSION_HEIGHT, VERSION_STEP = 104, 66, 116

TONES = {"FINAL": "link-final", "MINED": "link-mined"}
WAITING_WORDS = {"SIGNED": "signed", "BROADCAST": "sent"}


@dataclass(frozen=True, slots=True)
class Link:
    """One anchor in the chain: its batch's number, its state, and the height of its block, None before it has one."""

    seq: int
    state: str
    height: int | None
    txid: str


@dataclass(frozen=True, slots=True)
class VersionLink:
    """One version of an anchor's transaction, and what became of it in a word or two."""

    version: int
    txid: str
    fee_sat: int
    fate: str
    is_current: bool


def draw_chain(links: Sequence[Link], *, has_more: bool) -> Drawing:
    """Draw consecutive anchors, each linked to the one it spends; the first cell is what the first of them spends.

    The rows run to the right and back again, so that neighbours stay beside each other.
    """
    sheet = Sheet(y=4)
    from_start = not links or links[0].seq == 0
    cells = [_locate(place) for place in range(len(links) + 1 + has_more)]
    for (x, y), (next_x, next_y) in pairwise(cells[: len(links) + 1]):
        sheet.line(f"M{x} {y}L{next_x} {next_y}", tone="way")
    x, y = cells[0]
    _draw_cell(sheet, x, y, tone="link-origin", lines=("first", "output") if from_start else ("batch", _before(links)))
    for link, (x, y) in zip(links, cells[1:], strict=False):
        below = WAITING_WORDS.get(link.state, "") if link.height is None else f"{link.height:,}"
        _draw_cell(sheet, x, y, tone=TONES.get(link.state, "link-waiting"), lines=(f"{link.seq:,}", below))
    if has_more:
        (x, y), (next_x, next_y) = cells[-2], cells[-1]
        sheet.line(f"M{x} {y}L{next_x} {next_y}", tone="way-pending")
        _draw_cell(sheet, next_x, next_y, tone="link-waiting", lines=("more", ""))
    sheet.y = cells[-1][1] + CELL_HEIGHT // 2
    return _finish_chain(sheet, links, from_start=from_start)


def draw_anchor(
    *, link: Link, before: Link | None, after: Link | None, versions: Sequence[VersionLink], first_outpoint: str
) -> Drawing:
    """Draw one anchor with its versions, of which at most one can be mined, between what it spends and what spends it.

    `before` is None for the first anchor, which spends the register's first outpoint.
    """
    sheet = Sheet(y=2)
    if before is None:
        _draw_neighbour(sheet, name="First outpoint", value=shorten(first_outpoint), note="the register", tone="stage")
    else:
        _draw_anchor_box(sheet, before, tone="stage")
    shown = _choose_versions(versions)
    top, bottom = sheet.y, sheet.y + GAP
    left = MIDDLE - (len(shown) * VERSION_STEP - (VERSION_STEP - VERSION_WIDTH)) // 2
    centres = [left + place * VERSION_STEP + VERSION_WIDTH // 2 for place in range(len(shown))]
    for version, centre in zip(shown, centres, strict=True):
        tone = "way" if version.is_current else "way-pending"
        sheet.line(f"M{MIDDLE} {top}C{MIDDLE} {bottom} {centre} {top} {centre} {bottom}", tone=tone)
        _draw_version(sheet, version, x=centre - VERSION_WIDTH // 2, y=bottom)
    under = bottom + VERSION_HEIGHT
    sheet.y = under + GAP
    for version, centre in zip(shown, centres, strict=True):
        if version.is_current:
            tone = "way" if after else "way-pending"
            sheet.line(f"M{centre} {under}C{centre} {sheet.y} {MIDDLE} {under} {MIDDLE} {sheet.y}", tone=tone)
    if after is None:
        _draw_neighbour(sheet, name="The next anchor", value="will spend output 0", note="", tone="stage-pending")
    else:
        _draw_anchor_box(sheet, after, tone="stage")
    sheet.y += 2
    return sheet.finish(
        title=f"The anchor of batch {link.seq:,} in the chain of anchors",
        description=_describe_anchor(link, before=before, after=after, versions=versions, outpoint=first_outpoint),
    )


def _locate(place: int) -> tuple[int, int]:
    """Return the middle of a cell; every second row runs back."""
    row, column = divmod(place, COLUMNS)
    column = COLUMNS - 1 - column if row % 2 else column
    return column * CELL_WIDTH + CELL_WIDTH // 2, row * CELL_HEIGHT + CELL_HEIGHT // 2


def _draw_cell(sheet: Sheet, x: int, y: int, *, tone: str, lines: tuple[str, str]) -> None:
    left, top = x - LINK_WIDTH // 2, y - LINK_HEIGHT // 2
    sheet.box(x=left, y=top, width=LINK_WIDTH, height=LINK_HEIGHT, tone=tone)
    sheet.words(lines[0], x=x, y=y - 2, tone=f"{tone}-name", align="middle")
    sheet.words(lines[1], x=x, y=y + 13, tone=f"{tone}-note", align="middle")


def _draw_anchor_box(sheet: Sheet, link: Link, *, tone: str) -> None:
    note = link.state if link.height is None else f"block {link.height:,}"
    _draw_neighbour(sheet, name=f"Batch {link.seq:,}", value=shorten(link.txid), note=note, tone=tone)


def _draw_neighbour(sheet: Sheet, *, name: str, value: str, note: str, tone: str) -> None:
    top = sheet.y
    sheet.box(x=BOX_LEFT, y=top, width=BOX_WIDTH, height=BOX_HEIGHT, tone=tone)
    sheet.words(name, x=BOX_LEFT + 12, y=top + 19, tone="name")
    sheet.words(value, x=BOX_LEFT + 12, y=top + 38, tone="hash")
    sheet.words(note, x=BOX_LEFT + BOX_WIDTH - 12, y=top + 19, tone="label", align="end")
    sheet.y = top + BOX_HEIGHT


def _draw_version(sheet: Sheet, version: VersionLink, *, x: int, y: int) -> None:
    tone = "stage-now" if version.is_current else "stage-pending"
    sheet.box(x=x, y=y, width=VERSION_WIDTH, height=VERSION_HEIGHT, tone=tone)
    centre = x + VERSION_WIDTH // 2
    sheet.words(f"Version {version.version}", x=centre, y=y + 17, tone="name", align="middle")
    sheet.words(shorten(version.txid), x=centre, y=y + 33, tone="hash", align="middle")
    sheet.words(f"{version.fee_sat:,} sat", x=centre, y=y + 47, tone="label", align="middle")
    sheet.words(version.fate, x=centre, y=y + 60, tone="label", align="middle")


def _choose_versions(versions: Sequence[VersionLink]) -> list[VersionLink]:
    """Return the versions that are drawn: the last ones, and always the one that counts."""
    last = list(versions[-VERSIONS_DRAWN_MAX:])
    current = [version for version in versions if version.is_current]
    return last if set(current) <= set(last) else [*current, *last[1:]]


def _before(links: Sequence[Link]) -> str:
    return f"{links[0].seq - 1:,}"


def _finish_chain(sheet: Sheet, links: Sequence[Link], *, from_start: bool) -> Drawing:
    start = "The register's first output" if from_start else f"The anchor of batch {_before(links)}"
    steps = [
        f"then batch {link.seq:,}, {link.state}" + ("" if link.height is None else f" in block {link.height:,}")
        for link in links
    ]
    return sheet.finish(
        title="The chain of anchors",
        description=f"{start}; {'; '.join(steps)}." if steps else f"{start}; no anchor yet.",
    )


def _describe_anchor(
    link: Link, *, before: Link | None, after: Link | None, versions: Sequence[VersionLink], outpoint: str
) -> str:
    spends = f"the register's first outpoint {outpoint}" if before is None else f"the anchor of batch {before.seq:,}"
    told = "; ".join(
        f"version {version.version}, {version.txid}, a fee of {version.fee_sat:,} sat, {version.fate}"
        for version in versions
    )
    spent_by = "Nothing spends it yet" if after is None else f"The anchor of batch {after.seq:,} spends it"
    return f"The anchor of batch {link.seq:,} is {link.state} and spends {spends}. Versions: {told}. {spent_by}."
