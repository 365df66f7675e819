"""Verifying many proofs at once: an archive or a folder of them, such as all of a batch.

The .ots of one batch share most of their operations, from the first inner node that two of them have in common. So the
message that a verified ending must be given is remembered, and a proof with the same ending needs the hashes before it
alone. Whatever is not exactly of the form that is looked for goes through the whole verifier, and so does every proof
that comes to an ending with another message: nothing is accepted that the whole verifier would refuse, and it is the
one that says why.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from registry.proof.archives import read_members
from registry.proof.documents import PROOF_BYTES_MAX, read_document
from registry.proof.errors import ProofError, UndecidedError, UnknownFormatError, UsageError
from registry.proof.readers import read_limited
from registry.proof.sources import HeaderSource
from registry.proof.timestamps import (
    APPEND,
    DEPTH_MAX,
    MAGIC,
    MAJOR_VERSION,
    PREPEND,
    SHA256,
    read_timestamp,
)
from registry.proof.verify import get_attested_block, verify_document

REMEMBERED_PROOF_BYTES_MAX = 8 * 1024
"""A longer proof goes through the whole verifier and is not remembered: ours are about a kilobyte, with a large block
two."""

ENDINGS_BYTES_MAX = 32 * 1024 * 1024
"""Memory for the endings that are remembered; then all are forgotten, which costs one whole verification."""

ENDING_OVERHEAD_BYTES = 400
"""What an ending takes in memory beside its bytes: the message, the objects, its place in the table."""

_START = MAGIC + bytes([MAJOR_VERSION, SHA256])
_DIGEST = slice(len(_START), len(_START) + 32)
_HEAD_OPERATION, _HEAD = slice(65, 67), slice(67, 85)
_TAIL_OPERATION, _TAIL, _LEAF_HASH = slice(85, 87), slice(87, 191), slice(191, 192)
_ENDING = 192
_PREPEND_HEAD, _APPEND_TAIL, _HASH = bytes([PREPEND, 18]), bytes([APPEND, 104]), bytes([SHA256])
_ON_LEFT, _ON_RIGHT = bytes([PREPEND, 32]), bytes([APPEND, 32])
_LEAF_OPERATIONS, _STEP_OPERATIONS, _STEP_BYTES = 3, 2, 35


@dataclass(frozen=True, slots=True)
class BundleClaims:
    """What was proved: every digest existed before a block, the blocks being of `first_height` to `last_height`."""

    proofs: int
    timestamps: int
    documents: int
    first_height: int
    last_height: int


@dataclass(frozen=True, slots=True)
class _Ending:
    """A verified ending of an .ots: what it must be given, after how many operations at most, and its block."""

    message: bytes
    operations_max: int
    height: int


class TimestampChecker:
    """Verifies .ots one after the other, and remembers their common endings, in about `held_bytes` of memory."""

    def __init__(self, headers: HeaderSource) -> None:
        self._headers = headers
        self._endings: dict[bytes, _Ending] = {}
        self.held_bytes = 0

    def check(self, data: bytes) -> int:
        """Verify an .ots, for the digest that it is about, and return the height of the block that proves it.

        Raises as read_timestamp and verify_timestamp do.
        """
        steps = list(self._walk(data)) if len(data) <= REMEMBERED_PROOF_BYTES_MAX else []
        if steps:
            ending, message, operations = steps[-1]
            known = self._endings.get(ending)
            if known is not None and known.message == message and operations <= known.operations_max:
                self._remember(steps[:-1], known.height)
                return known.height
        timestamp = read_timestamp(data)
        height, _ = get_attested_block(timestamp, headers=self._headers)
        if len(timestamp.attestations) == 1:
            # So there is one way only, and it leads through every step.
            self._remember(steps, height)
        return height

    def _walk(self, data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield, for each node on a leaf's way, what follows it, its hash, and how many operations came before.

        It ends at the first ending that is known, or where the bytes have another form.
        """
        new_hash, endings = hashlib.sha256, self._endings
        shape = (data[: len(_START)], data[_HEAD_OPERATION], data[_TAIL_OPERATION], data[_LEAF_HASH])
        if shape != (_START, _PREPEND_HEAD, _APPEND_TAIL, _HASH):
            return
        message = new_hash(data[_HEAD] + data[_DIGEST] + data[_TAIL]).digest()
        ending, operations = data[_ENDING:], _LEAF_OPERATIONS
        while operations < DEPTH_MAX and ending[34:_STEP_BYTES] == _HASH:
            if ending.startswith(_ON_RIGHT):
                message = new_hash(message + ending[2:34]).digest()
            elif ending.startswith(_ON_LEFT):
                message = new_hash(ending[2:34] + message).digest()
            else:
                return
            ending, operations = ending[_STEP_BYTES:], operations + _STEP_OPERATIONS
            yield ending, message, operations
            if ending in endings:
                return

    def _remember(self, steps: list[tuple[bytes, bytes, int]], height: int) -> None:
        more_bytes = sum(len(ending) + ENDING_OVERHEAD_BYTES for ending, _, _ in steps)
        if self.held_bytes + more_bytes > ENDINGS_BYTES_MAX:
            self._endings.clear()
            self.held_bytes = 0
        for ending, message, operations in steps:
            self._endings[ending] = _Ending(message, operations, height)
        self.held_bytes += more_bytes


def audit_bundle(
    proofs: Iterable[tuple[str, bytes]],
    *,
    headers: HeaderSource,
    note_progress: Callable[[int], None] = lambda _done: None,
) -> BundleClaims:
    """Verify every proof of a bundle, given with its name, and say what that proves.

    Each is verified for the digest, or record, that it is about: whoever has a file compares its digest.
    Raises an InvalidProofError that names the step and, as `file`, the proof; UndecidedError if the headers do not
    reach, or there is no proof.
    """
    checker = TimestampChecker(headers)
    heights: set[int] = set()
    timestamps = documents = 0
    for name, data in proofs:
        try:
            if data.startswith(MAGIC):
                heights.add(checker.check(data))
                timestamps += 1
            else:
                heights.add(_check_document(data, headers))
                documents += 1
        except ProofError as error:
            error.file = name
            raise
        note_progress(timestamps + documents)
    if not heights:
        raise UndecidedError("there is no proof")
    return BundleClaims(
        proofs=timestamps + documents,
        timestamps=timestamps,
        documents=documents,
        first_height=min(heights),
        last_height=max(heights),
    )


def read_bundle(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the proofs of an archive, or of a folder in the order of their names.

    Raises MalformedArchiveError if the archive is damaged, ProofTooLargeError at a proof over the read limit,
    UsageError if something cannot be read.
    """
    if not path.is_dir():
        yield from read_members(path, bytes_max=PROOF_BYTES_MAX)
        return
    try:
        for proof in sorted(path.iterdir()):
            with proof.open("rb") as stream:
                yield proof.name, read_limited(stream, PROOF_BYTES_MAX)
    except OSError as error:
        raise UsageError(f"cannot read {error.filename or path}: {error.strerror}") from error


def _check_document(data: bytes, headers: HeaderSource) -> int:
    if not data.lstrip().startswith(b"{"):
        raise UnknownFormatError
    document = read_document(data)
    verify_document(document, subject=document.record.sha256, headers=headers)
    return document.anchored.block.height
