"""Writes the register's static export: files that anybody can put on any server, and audit without us.

docs/reference/format-export.md has the layout. Only FINAL anchors are exported. Leaves of a sealed batch never change,
so the file of a batch is written once; headers and anchors file are brought up to date each time, for a reorganisation
may have changed them. Each file appears whole or not at all. The anchors file never names a batch whose leaves, or a
block whose header, a reader could miss: new anchors are put in place after the headers, and anchors that the new
headers contradict are taken away before them. So at no moment the audit would call what is published invalid.
"""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from chain.node import NodeClient
from registry.errors import ExportConflictError, ExportDirectoryError, ExportMismatchError, HeadersFileError
from registry.files import Workshop, sync_folder
from registry.models import Anchor, Batch, Register
from registry.proof.anchors import read_anchored_batches, read_registry, write_anchor_line, write_registry_line
from registry.proof.documents import AnchoredBatch
from registry.proof.errors import ProofError
from registry.proof.exports import (
    ANCHORS_NAME,
    BATCHES_NAME,
    HEADERS_NAME,
    REGISTER_NAME,
    ExportHead,
    find_seq,
    name_leaves_file,
    write_export_head,
)
from registry.proof.headers import HEADER_BYTES
from registry.proof.merkle import merkle_root
from registry.proof.packed import RECORD_BYTES, RootBuilder, hash_packed
from registry.proof.sources import CONFIRMATIONS_MIN
from registry.selectors.pieces import iterate_pieces
from registry.selectors.proofs import get_anchored_batch, get_registry
from registry.selectors.registers import get_register
from registry.services.export_readme import README_NAME, write_readme
from registry.services.headers import export_headers

NEW_ANCHORS_NAME = "anchors.new"
"""The anchors file among the unfinished files, while a part of the old one may still take the old one's place."""

ProgressNote = Callable[[int, int], None]
"""Called with how many are done, and how many there are: records of new batches, or headers."""


def _ignore_progress(_done: int, _total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export holds now, and how many batches were new to it."""

    batches: int
    new_batches: int
    records: int
    headers: int


def export_register(
    *,
    directory: Path,
    node: NodeClient,
    register: Register | None = None,
    note_progress: ProgressNote = _ignore_progress,
    note_headers: ProgressNote = _ignore_progress,
) -> Exported:
    """Bring a folder up to date with a register, or make it; it can be killed and run again at any time.

    Without a register it is the active one. One that was succeeded changes only by reorganisations.

    1. The leaves of batches that the folder lacks; each is checked against the batch's root before it gets its name.
    2. The headers of the chain, and the anchors that they have, both as unfinished files.
    3. If the new headers contradict published anchors, these and all after them are taken from the anchors file.
    4. The headers are put in place, and then the anchors.
    5. Leaves that no anchor of the file names any more, after a reorganisation, are removed.

    Raises RegisterMissingError if there is no register, ExportDirectoryError if the folder is another's,
    ExportBusyError if another process writes it, ExportConflictError during a reorganisation, ExportMismatchError if
    the stored records are not those that were sealed, HeadersFileError if the published headers are damaged, and what
    the node raises. Headers and anchors are then as they were.
    """
    register = register or get_register()
    workshop = Workshop(directory)
    with workshop.open(keep=HEADERS_NAME):
        _write_head(directory, register, workshop)
        last_seq = _find_last_final(register)
        new_batches = _write_batches(directory, register, last_seq, workshop, note_progress)
        headers_count = _draft_headers(directory / HEADERS_NAME, node, workshop, note_headers)
        headers, sizes = workshop.get_path(HEADERS_NAME), list[int]()
        lines = _write_lines(register, _list_anchored(register, last_seq, headers), sizes)
        workshop.draft(NEW_ANCHORS_NAME, lines)
        _cut_anchors(directory / ANCHORS_NAME, headers, workshop)
        workshop.put(HEADERS_NAME, directory / HEADERS_NAME)
        workshop.put(NEW_ANCHORS_NAME, directory / ANCHORS_NAME)
        _remove_leaves_from(directory / BATCHES_NAME, len(sizes))
    return Exported(batches=len(sizes), new_batches=new_batches, records=sum(sizes), headers=headers_count)


def _write_head(directory: Path, register: Register, workshop: Workshop) -> None:
    """Write what never changes; refuse the folder of another register."""
    head = write_export_head(ExportHead(network=register.network, registry=get_registry(register)))
    path = directory / REGISTER_NAME
    if not path.exists():
        workshop.write(path, [head])
    elif path.read_bytes() != head:
        raise ExportDirectoryError
    workshop.write(directory / README_NAME, [write_readme(register)])
    (directory / BATCHES_NAME).mkdir(exist_ok=True)
    sync_folder(directory)


def _list_final(register: Register) -> Iterator[Anchor]:
    """Yield the anchors that are FINAL, in order, up to the first that is not."""
    final = Anchor.objects.filter(batch__register=register, state=Anchor.State.FINAL)
    for seq, anchor in enumerate(final.select_related("batch", "current").order_by("batch__seq").iterator()):
        if anchor.batch.seq != seq:
            return
        yield anchor


def _find_last_final(register: Register) -> int:
    last = -1
    for anchor in _list_final(register):
        last = anchor.batch.seq
    return last


def _write_batches(
    directory: Path, register: Register, last_seq: int, workshop: Workshop, note_progress: ProgressNote
) -> int:
    """Write the leaves of each batch up to the last that the folder lacks; return how many those were."""
    folder = directory / BATCHES_NAME
    sizes = Batch.objects.filter(register=register, seq__lte=last_seq).order_by("seq").values_list("seq", "size")
    lacking = [
        (seq, size)
        for seq, size in sizes.iterator()
        if not _has_size(folder / name_leaves_file(seq), size * RECORD_BYTES)
    ]
    done, total = 0, sum(size for _, size in lacking)
    for seq, size in lacking:
        batch = Batch.objects.get(register=register, seq=seq)
        note_progress(done, total)
        workshop.write(folder / name_leaves_file(seq), _pack_checked(batch, done, total, note_progress))
        done += size
    note_progress(done, total)
    return len(lacking)


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.exists() and path.stat().st_size == size_bytes


def _pack_checked(batch: Batch, done: int, total: int, note_progress: ProgressNote) -> Iterator[bytes]:
    """Yield a batch's packed records; raise at the end, before the file gets its name, if they have another root."""
    builder, count = RootBuilder(), 0
    for rows in iterate_pieces(batch):
        packed = b"".join(row.packed for row in rows)
        builder.add(merkle_root(hash_packed(packed)))
        count += len(rows)
        note_progress(done + count, total)
        yield packed
    if count != batch.size or builder.get_root() != bytes(batch.root):
        raise ExportMismatchError(f"the stored records of {batch} do not lead to its root")


def _draft_headers(path: Path, node: NodeClient, workshop: Workshop, note_progress: ProgressNote) -> int:
    """Bring a copy of the headers up to date, or what an interrupted export has of one; return how many there are."""
    draft = workshop.get_path(path.name)
    if not draft.exists() and path.exists():
        copy = workshop.get_path("headers.copy")
        shutil.copyfile(path, copy)
        copy.replace(draft)
    try:
        return export_headers(node=node, path=draft, note_progress=note_progress)
    except HeadersFileError as error:
        # The next export begins with the published file again; if that is the damaged one, it is the one to move away.
        draft.unlink(missing_ok=True)
        raise HeadersFileError(str(error).replace(str(draft), str(path))) from error


def _list_anchored(register: Register, last_seq: int, headers: Path) -> Iterator[AnchoredBatch]:
    """Yield the final anchors whose leaves are written and whose blocks are deep enough in the headers file.

    Raises ExportConflictError if that has another header in the place of an anchor's.
    """
    deep_enough = _find_deep_enough(headers)
    with headers.open("rb") as stream:
        for anchor in _list_final(register):
            anchored = get_anchored_batch(anchor.batch, anchor)
            if anchor.batch.seq > last_seq or anchored.block.height > deep_enough:
                return
            if not _has_block(stream, anchored):
                raise ExportConflictError
            yield anchored


def _find_deep_enough(headers: Path) -> int:
    """Return the height of the last block that has enough confirmations in a headers file."""
    return headers.stat().st_size // HEADER_BYTES - CONFIRMATIONS_MIN


def _has_block(headers: BinaryIO, anchored: AnchoredBatch) -> bool:
    """Say whether a headers file has the header of an anchor's block in its place."""
    headers.seek(anchored.block.height * HEADER_BYTES)
    return headers.read(HEADER_BYTES) == anchored.block.header


def _cut_anchors(path: Path, headers: Path, workshop: Workshop) -> None:
    """Take from the published anchors the first that the new headers do not have deep enough, and all after it.

    What is left is valid with the old headers and with the new ones: if both have the header of a block, they have the
    same headers before it.
    """
    if not path.exists():
        return
    deep_enough, kept, is_cut = _find_deep_enough(headers), 0, False
    with path.open("rb") as stream, headers.open("rb") as headers_stream:
        try:
            read_registry(stream)
            for anchored in read_anchored_batches(stream):
                is_cut = anchored.block.height > deep_enough or not _has_block(headers_stream, anchored)
                if is_cut:
                    break
                kept += 1
        except ProofError:
            # The file was damaged; the new one will replace it.
            return
        if is_cut:
            stream.seek(0)
            workshop.write(path, islice(stream, kept + 1))


def _write_lines(register: Register, anchored_batches: Iterator[AnchoredBatch], sizes: list[int]) -> Iterator[bytes]:
    """Yield the lines of the anchors file, and note the size of each batch in it."""
    yield write_registry_line(get_registry(register))
    for anchored in anchored_batches:
        yield write_anchor_line(anchored)
        sizes.append(anchored.batch.size)


def _remove_leaves_from(folder: Path, first_seq: int) -> None:
    """Remove leaves that have no anchor in the file; they are written again once they have one."""
    for path in folder.iterdir():
        seq = find_seq(path.name)
        if seq is not None and seq >= first_seq:
            path.unlink()
    sync_folder(folder)
