"""Writes the register's static export: files that anybody can put on any server, and audit without us.

docs/reference/format-export.md has the layout. Only FINAL anchors are exported. Leaves of a sealed batch never change,
so the file of a batch is written once; headers and anchors file are brought up to date each time, for a reorganisation
may have changed them. Each file appears whole or not at all, and the anchors file last: it never names a batch whose
leaves, or a block whose header, a reader could miss.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chain.node import NodeClient
from registry.errors import ExportConflictError, ExportDirectoryError, ExportMismatchError
from registry.files import Workshop, sync_folder
from registry.models import Anchor, Batch, Register
from registry.proof.anchors import write_anchor_line, write_registry_line
from registry.proof.documents import AnchoredBatch
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
    note_progress: ProgressNote = _ignore_progress,
    note_headers: ProgressNote = _ignore_progress,
) -> Exported:
    """Bring a folder up to date with the register, or make it; it can be killed and run again at any time.

    1. The leaves of batches that the folder lacks; each is checked against the batch's root before it gets its name.
    2. The headers of the chain.
    3. The anchors file.
    4. Leaves that no anchor of the file names any more, after a reorganisation, are removed.

    Raises RegisterMissingError if there is no register, ExportDirectoryError if the folder is another's,
    ExportBusyError if another process writes it, ExportConflictError during a reorganisation, ExportMismatchError if
    the stored records are not those that were sealed, and what the node raises.
    """
    register = get_register()
    workshop = Workshop(directory)
    with workshop.open():
        _write_head(directory, register, workshop)
        last_seq = _find_last_final(register)
        new_batches = _write_batches(directory, register, last_seq, workshop, note_progress)
        headers = export_headers(node=node, path=directory / HEADERS_NAME, note_progress=note_headers)
        anchored = _list_anchored(register, last_seq, directory / HEADERS_NAME)
        sizes: list[int] = []
        workshop.write(directory / ANCHORS_NAME, _write_lines(register, anchored, sizes))
        _remove_leaves_from(directory / BATCHES_NAME, len(sizes))
    return Exported(batches=len(sizes), new_batches=new_batches, records=sum(sizes), headers=headers)


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


def _list_anchored(register: Register, last_seq: int, headers: Path) -> Iterator[AnchoredBatch]:
    """Yield the final anchors whose leaves are written and whose blocks are deep enough in the headers file.

    Raises ExportConflictError if that has another header in the place of an anchor's.
    """
    deep_enough = headers.stat().st_size // HEADER_BYTES - CONFIRMATIONS_MIN
    with headers.open("rb") as stream:
        for anchor in _list_final(register):
            anchored = get_anchored_batch(anchor.batch, anchor)
            if anchor.batch.seq > last_seq or anchored.block.height > deep_enough:
                return
            stream.seek(anchored.block.height * HEADER_BYTES)
            if stream.read(HEADER_BYTES) != anchored.block.header:
                raise ExportConflictError
            yield anchored


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
