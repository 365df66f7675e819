"""Draws the way of a record, or of a whole batch, into Bitcoin: from the top down, as hashes are joined."""

from collections.abc import Sequence

from registry.models import Batch, Record
from registry.proof.hashes import sha256, sha256d
from registry.proof.merkle import path_sides
from registry.selectors.records import Place
from web.drawings.sheets import WIDTH, Drawing, Sheet, shorten, shorten_end
from web.selectors.ways import AnchorView, BlockView

MIDDLE = WIDTH // 2
BOX_LEFT, BOX_WIDTH = 32, WIDTH - 64
PADDING = 12
HEAD_HEIGHT, ROW_HEIGHT = 44, 18
GAP = 26
HOP_HEIGHT = 40
NEIGHBOUR_WIDTH, NEIGHBOUR_HEIGHT = 92, 22
CONFIRMATIONS_DRAWN_MAX = 12
SQUARE, SQUARE_STEP = 16, 22

Row = tuple[str, str, str]
"""A line in a box: a name, a value, and its tone."""


def draw_way(
    *,
    record: Record | None,
    path: Sequence[bytes] | None,
    place: Place | None,
    batch: Batch | None,
    anchor: AnchorView | None,
    confirmations_final: int,
) -> Drawing:
    """Draw how far a record has come; without a record, how far a batch has.

    `path` (32 bytes a neighbour) and `place` are the record's, None while it has none; `batch` is that of its place.
    What has not happened yet is dashed.
    """
    painter = _Painter()
    if record is not None:
        painter.box("Leaf", shorten(bytes(record.leaf)), note=record.get_kind_display().lower())
        if place is not None and path is not None:
            sides = path_sides(place.index - place.batch.first_index, place.batch.size)
            painter.climb(node=bytes(record.leaf), steps=list(zip(path, sides, strict=True)), is_double=False)
    if batch is None:
        for name in ("Batch root", "Commitment"):
            painter.pending(name)
    else:
        painter.box("Batch root", shorten(bytes(batch.root)), note=_count(batch.size, "leaf", "leaves"))
        painter.commitment(batch)
    painter.transaction(anchor, batch)
    painter.block(anchor.block if anchor else None, anchor)
    painter.confirmations(anchor, confirmations_final)
    subject = "The batch's" if record is None else "The record's"
    return painter.sheet.finish(
        title=f"{subject} way into Bitcoin",
        description=_describe(record=record, path=path, batch=batch, anchor=anchor),
    )


class _Painter:
    """Draws one stage below the other; `is_reached` says whether the line to the next one is drawn through."""

    def __init__(self) -> None:
        self.sheet = Sheet(y=2)
        self.is_first = True

    def box(self, name: str, value: str, *, note: str = "", rows: Sequence[Row] = ()) -> int:
        """Draw a stage with its rows, and return where its first row is."""
        self._connect(is_reached=True)
        height = HEAD_HEIGHT + (len(rows) * ROW_HEIGHT + 6 if rows else 0)
        top = self.sheet.y
        self.sheet.box(x=BOX_LEFT, y=top, width=BOX_WIDTH, height=height, tone="stage")
        self._name(name, note, top, tone="name")
        self.sheet.words(value, x=BOX_LEFT + PADDING, y=top + 36, tone="hash")
        first_row = top + HEAD_HEIGHT + 10
        for place, (label, text, tone) in enumerate(rows):
            base = first_row + place * ROW_HEIGHT
            self.sheet.words(label, x=BOX_LEFT + PADDING, y=base, tone="label")
            self.sheet.words(text, x=BOX_LEFT + BOX_WIDTH - PADDING, y=base, tone=tone, align="end")
        self.sheet.y = top + height
        return first_row

    def pending(self, name: str, note: str = "") -> None:
        """Draw a stage that is not reached yet."""
        self._connect(is_reached=False)
        top = self.sheet.y
        self.sheet.box(x=BOX_LEFT, y=top, width=BOX_WIDTH, height=30, tone="stage-pending")
        self._name(name, note, top, tone="name-pending")
        self.sheet.y = top + 30

    def climb(self, *, node: bytes, steps: Sequence[tuple[bytes, bool]], is_double: bool) -> None:
        """Draw the joins of a tree: each neighbour comes in from its side, and the result stands on the other one."""
        for neighbour, is_left in steps:
            joined = neighbour + node if is_left else node + neighbour
            node = sha256d(joined) if is_double else sha256(joined)
            top = self.sheet.y
            joint = top + HOP_HEIGHT - 8
            left = 8 if is_left else WIDTH - 8 - NEIGHBOUR_WIDTH
            edge = left + NEIGHBOUR_WIDTH if is_left else left
            middle = top + 6 + NEIGHBOUR_HEIGHT // 2
            self.sheet.line(f"M{MIDDLE} {top}V{top + HOP_HEIGHT}", tone="way")
            self.sheet.line(f"M{edge} {middle}C{MIDDLE} {middle} {MIDDLE} {middle} {MIDDLE} {joint}", tone="side")
            self.sheet.box(x=left, y=top + 6, width=NEIGHBOUR_WIDTH, height=NEIGHBOUR_HEIGHT, tone="neighbour")
            self.sheet.words(
                shorten(neighbour), x=left + NEIGHBOUR_WIDTH // 2, y=top + 21, tone="hash-side", align="middle"
            )
            self.sheet.dot(x=MIDDLE, y=joint, radius=4, tone="joint")
            self.sheet.words(
                shorten(node),
                x=MIDDLE + 12 if is_left else MIDDLE - 12,
                y=joint + 4,
                tone="hash-small",
                align="start" if is_left else "end",
            )
            self.sheet.y = top + HOP_HEIGHT

    def commitment(self, batch: Batch) -> None:
        """Draw the fields that a commitment commits to."""
        rows = (
            ("batch", f"{batch.seq:,}", "value"),
            ("leaves", f"{batch.first_index:,} to {batch.first_index + batch.size - 1:,}", "value"),
            ("commitment before", shorten(bytes(batch.previous_commitment)), "hash"),
            ("recent block", shorten_end(batch.recent_block_hash), "hash"),
            ("batch root", shorten(bytes(batch.root)), "hash-carried"),
        )
        self.box("Commitment", shorten(bytes(batch.commitment)), rows=rows)

    def transaction(self, anchor: AnchorView | None, batch: Batch | None) -> None:
        """Draw the anchor with what it spends, its continuation to the right, and its OP_RETURN."""
        if anchor is None or batch is None:
            self.pending("Bitcoin transaction", "not signed yet")
            return
        spent_txid, _, vout = anchor.spends.partition(":")
        rows = (
            ("input 0", f"spends {shorten(spent_txid)}:{vout}", "hash"),
            ("output 0", f"{anchor.continuation_sat:,} sat to the next", "value"),
            ("output 1", f"OP_RETURN CDS1 {shorten(bytes(batch.commitment))}", "hash-carried"),
        )
        first = self.box("Bitcoin transaction", shorten(anchor.txid), note=anchor.state, rows=rows) - 4
        self.sheet.line(f"M0 {first}H{BOX_LEFT}", tone="way")
        right = BOX_LEFT + BOX_WIDTH
        out = first + ROW_HEIGHT
        self.sheet.line(f"M{right} {out}H{WIDTH - 4}m-6 -5l6 5l-6 5", tone="way")

    def block(self, block: BlockView | None, anchor: AnchorView | None) -> None:
        """Draw the block's tree and its header."""
        if block is None or anchor is None:
            self.pending("Block", "not mined yet")
            return
        steps = [(neighbour, bool(block.tx_index >> level & 1)) for level, neighbour in enumerate(block.path)]
        self.climb(node=bytes.fromhex(anchor.txid)[::-1], steps=steps, is_double=True)
        rows = (
            ("block before", shorten_end(block.previous_hash), "hash"),
            ("Merkle root", shorten(bytes.fromhex(block.merkle_root)[::-1]), "hash-carried"),
            ("time", f"{block.time:%Y-%m-%d %H:%M} UTC", "value"),
        )
        self.box(f"Block {block.height:,}", shorten_end(block.hash), note="header, 80 bytes", rows=rows)

    def confirmations(self, anchor: AnchorView | None, needed: int) -> None:
        """Draw a square for each block from the anchor's own up to the number that makes it final."""
        if anchor is None or anchor.block is None:
            self.sheet.y += 4
            return
        reached = anchor.block.confirmations
        if needed <= CONFIRMATIONS_DRAWN_MAX:
            self._connect(is_reached=reached >= needed)
            left = MIDDLE - (needed * SQUARE_STEP - (SQUARE_STEP - SQUARE)) // 2
            for place in range(needed):
                tone = "confirmed" if place < reached else "unconfirmed"
                self.sheet.box(x=left + place * SQUARE_STEP, y=self.sheet.y, width=SQUARE, height=SQUARE, tone=tone)
            self.sheet.y += SQUARE
        text = _count(reached, "confirmation", "confirmations")
        verdict = ", final" if reached >= needed else f" of {needed}"
        self.sheet.words(text + verdict, x=MIDDLE, y=self.sheet.y + 20, tone="label", align="middle")
        self.sheet.y += 28

    def _name(self, name: str, note: str, top: int, *, tone: str) -> None:
        """Write a stage's name, and a note on the right."""
        self.sheet.words(name, x=BOX_LEFT + PADDING, y=top + 19, tone=tone)
        if note:
            self.sheet.words(note, x=BOX_LEFT + BOX_WIDTH - PADDING, y=top + 19, tone="label", align="end")

    def _connect(self, *, is_reached: bool) -> None:
        """Draw the line from the stage above."""
        if self.is_first:
            self.is_first = False
            return
        tone = "way" if is_reached else "way-pending"
        self.sheet.line(f"M{MIDDLE} {self.sheet.y}v{GAP}", tone=tone)
        self.sheet.y += GAP


def _describe(
    *, record: Record | None, path: Sequence[bytes] | None, batch: Batch | None, anchor: AnchorView | None
) -> str:
    """Return what the picture shows, in sentences."""
    parts = []
    if record is not None:
        parts.append(f"Leaf {bytes(record.leaf).hex()}.")
    if batch is None:
        return " ".join((*parts, "It waits for a batch, a commitment, a Bitcoin transaction and a block."))
    if path:
        parts.append(f"{_count(len(path), 'step', 'steps')} up the batch's tree.")
    parts.append(f"Batch root {bytes(batch.root).hex()} of {_count(batch.size, 'leaf', 'leaves')}.")
    parts.append(f"Commitment {bytes(batch.commitment).hex()}.")
    if anchor is None:
        return " ".join((*parts, "It waits for a Bitcoin transaction and a block."))
    parts.append(f"Bitcoin transaction {anchor.txid}, {anchor.state}, which spends {anchor.spends}.")
    if anchor.block is None:
        return " ".join((*parts, "It waits for a block."))
    parts.append(f"Block {anchor.block.height}, {anchor.block.hash}.")
    parts.append(f"{_count(anchor.block.confirmations, 'confirmation', 'confirmations')}.")
    return " ".join(parts)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
