"""Exports the chain's headers to a file that the verifier checks: 80 bytes each, nothing else.

The file is only ever replaced as a whole, by one that links from its first header to its last. Whatever kills the
export leaves the file as it was, and what was exported before is not asked for again.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from typing import BinaryIO

from chain.errors import NodeRejectedError, NodeUnavailableError
from chain.node import NodeClient
from chain.node_networks import check_network
from registry.errors import HeadersFileBusyError, HeadersFileError
from registry.proof.hashes import HASH_BYTES, sha256d
from registry.proof.headers import HEADER_BYTES, display_hash
from registry.proof.networks import PERIOD_HEADERS

HEADERS_PER_CALL = 500
HEADERS_PER_WRITE = 50 * PERIOD_HEADERS
"""After so many new headers the file is replaced, so that an interruption loses little. That copies what is there."""

CHAIN_MOVES_MAX = 10
"""How often the chain may change under an export's hands before it gives up."""

ProgressNote = Callable[[int, int], None]
"""Called with how many headers the file will have so far, and how many the chain has for it."""


class _ChainMovedError(Exception):
    """The node's best chain changed between two calls."""


def export_headers(
    *,
    node: NodeClient,
    path: Path,
    from_height: int = 0,
    note_progress: ProgressNote = lambda _done, _total: None,
) -> int:
    """Bring a headers file up to the node's best chain and return how many headers it has.

    The file begins at `from_height`, the first of a period of 2016 blocks. A file that is there is extended; headers
    that have left the chain are replaced. If the node has less of the same chain than the file, the file is kept.
    Makes no transaction: nothing of it is in the database.
    Raises HeadersFileError if the height cannot begin a file, or the file is no headers file of this chain from it on,
    HeadersFileBusyError if another process writes it, NetworkError if the node runs another network, and
    NodeUnavailableError if the node does not answer, or its chain keeps changing.
    """
    if from_height % PERIOD_HEADERS or from_height < 0:
        raise HeadersFileError(f"a headers file begins at a multiple of {PERIOD_HEADERS}, not at {from_height}")
    check_network(node)
    moves = 0
    while moves < CHAIN_MOVES_MAX:
        try:
            count, is_complete = _extend_file(node, path, from_height, note_progress)
        except _ChainMovedError:
            moves += 1
            continue
        if is_complete:
            return count
    raise NodeUnavailableError("the chain keeps changing")


def _extend_file(node: NodeClient, path: Path, from_height: int, note_progress: ProgressNote) -> tuple[int, bool]:
    """Replace the file by one that reaches further, and return how many headers it has and if that is all."""
    wanted = node.get_block_count() - from_height + 1
    if wanted < 1:
        raise HeadersFileError(f"the node's chain does not reach block {from_height}")
    with _open_draft(path) as draft:
        kept, is_current = _copy_kept(path, draft, node, from_height, wanted)
        if is_current:
            note_progress(kept, kept)
            return kept, True
        count = min(wanted, kept + HEADERS_PER_WRITE)
        previous_hash = _read_last_hash(draft, kept) if kept else None
        while kept < count:
            headers = _ask_headers(node, from_height + kept, min(count - kept, HEADERS_PER_CALL))
            previous_hash = _check_links(headers, previous_hash)
            draft.writelines(headers)
            kept += len(headers)
            note_progress(kept, wanted)
        _put_in_place(draft, path)
    return count, count == wanted


def _copy_kept(path: Path, draft: BinaryIO, node: NodeClient, from_height: int, wanted: int) -> tuple[int, bool]:
    """Copy the headers that are of the node's chain, and return how many, and if the file can stay as it is."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return 0, False
    with stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        if size_bytes % HEADER_BYTES:
            raise HeadersFileError(f"{path} has {size_bytes} bytes, which are no whole headers")
        count = size_bytes // HEADER_BYTES
        kept = _count_common(stream, min(count, wanted), node, from_height) if count else 0
        if kept == wanted:
            # All of the node's chain is in the file; a node that is behind takes nothing away.
            return count, True
        _copy_linked(stream, draft, kept, path)
    return kept, False


def _count_common(stream: BinaryIO, count: int, node: NodeClient, from_height: int) -> int:
    """Return how many of the first `count` headers, at least one, are those of the node's chain.

    Raises HeadersFileError if the first is not.
    """
    if _is_common(stream, count, node, from_height):
        return count
    if not _is_common(stream, 1, node, from_height):
        raise HeadersFileError(f"the headers file does not begin with block {from_height} of the node's chain")
    common, other = 1, count
    while other - common > 1:
        middle = (common + other) // 2
        common, other = (middle, other) if _is_common(stream, middle, node, from_height) else (common, middle)
    return common


def _is_common(stream: BinaryIO, count: int, node: NodeClient, from_height: int) -> bool:
    """Say whether the last of the first `count` headers is in the node's chain, and so all before it."""
    block_hash = node.find_block_hash(from_height + count - 1)
    if block_hash is None:
        raise _ChainMovedError
    return display_hash(_read_last_hash(stream, count)) == block_hash


def _read_last_hash(stream: BinaryIO, count: int) -> bytes:
    """Return the hash of the last of the first `count` headers, at least one; the stream goes on after it."""
    stream.seek((count - 1) * HEADER_BYTES)
    return sha256d(stream.read(HEADER_BYTES))


def _copy_linked(stream: BinaryIO, draft: BinaryIO, count: int, path: Path) -> None:
    """Copy the first `count` headers, of which the last is known to be in the chain.

    Raises HeadersFileError if they do not link: then the disk, or somebody, changed one.
    """
    stream.seek(0)
    previous_hash = None
    for done in range(0, count, PERIOD_HEADERS):
        chunk = stream.read(min(count - done, PERIOD_HEADERS) * HEADER_BYTES)
        headers = [chunk[start : start + HEADER_BYTES] for start in range(0, len(chunk), HEADER_BYTES)]
        try:
            previous_hash = _check_links(headers, previous_hash)
        except _ChainMovedError as error:
            raise HeadersFileError(f"the headers in {path} do not link; move it away to export anew") from error
        draft.write(chunk)


def _ask_headers(node: NodeClient, height: int, count: int) -> list[bytes]:
    """Return headers from the node. Raises _ChainMovedError if its chain has become shorter meanwhile."""
    try:
        return node.get_raw_headers(height, count)
    except NodeRejectedError as error:
        raise _ChainMovedError from error


def _check_links(headers: list[bytes], previous_hash: bytes | None) -> bytes | None:
    """Check that headers follow a hash, or None before the file's first, and return the hash of the last.

    Raises _ChainMovedError if they do not: they are of two branches.
    """
    for header in headers:
        if previous_hash is not None and header[4 : 4 + HASH_BYTES] != previous_hash:
            raise _ChainMovedError
        previous_hash = sha256d(header)
    return previous_hash


@contextmanager
def _open_draft(path: Path) -> Iterator[BufferedRandom]:
    """Open the empty file that will replace this one, for this process alone.

    A killed process leaves it behind, unlocked; the next one takes it over.
    """
    draft_path = _name_draft(path)
    descriptor = os.open(draft_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "r+b") as draft:
        try:
            fcntl.flock(draft, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have put its draft in place between the opening and the lock.
            if not _is_named(draft, draft_path):
                raise HeadersFileBusyError
        except BlockingIOError as error:
            raise HeadersFileBusyError from error
        draft.truncate(0)
        try:
            yield draft
        finally:
            # If it was put in place, the name may be another process's by now.
            if _is_named(draft, draft_path):
                draft_path.unlink()


def _name_draft(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _is_named(stream: BufferedRandom, path: Path) -> bool:
    """Say whether a path leads to this open file."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _put_in_place(draft: BufferedRandom, path: Path) -> None:
    """Make the draft the file, on the disk before by name: a power cut leaves the one or the other, whole."""
    draft.flush()
    os.fsync(draft.fileno())
    _name_draft(path).replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
