"""The development node's own record of its chain: a file that only grows, synced before anything is
acknowledged.

After an eight-byte magic come records: payload length u32be, kind u8, payload, then the first eight bytes of
SHA-256 over all of that. docs/reference/development-node.md describes the format.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

MAGIC = b"CDSBLK1\n"
PAYLOAD_BYTES_MAX = 4_000_000  # a block's largest serialisation (consensus)
_HEAD = struct.Struct(">IB")
_CHECKSUM_BYTES = 8


class BlockLogError(Exception):
    """The block log cannot be used."""


class RecordKind(IntEnum):
    """What a record says: a block was accepted (payload: the block), or the operator judged one
    (payload: its hash)."""

    BLOCK = 1
    INVALIDATED = 2
    RECONSIDERED = 3


@dataclass(frozen=True)
class LogRecord:
    """One record that was read back."""

    kind: RecordKind
    payload: bytes


class BlockLog:
    """An append-only file of records. Only `sync` makes what was appended durable."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, and cut off a record that was torn by a crash.

        Raises BlockLogError if the file is not a block log, or is damaged before its end.
        """
        is_new = not path.exists() or path.stat().st_size < len(MAGIC)
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._is_dirty = False
        try:
            if is_new:
                os.ftruncate(self._file, 0)
                self.write(MAGIC)
                self._sync_directory()
            self.torn_bytes = self._cut_torn_tail()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, kind: RecordKind, payload: bytes) -> None:
        """Write one record at the end; it is durable after the next `sync`."""
        if len(payload) > PAYLOAD_BYTES_MAX:
            raise BlockLogError(f"a record of {len(payload)} bytes is over the limit of {PAYLOAD_BYTES_MAX}")
        body = _HEAD.pack(len(payload), kind) + payload
        self.write(body + _checksum(body))

    def write(self, data: bytes) -> None:
        """Write all bytes at the file's end."""
        self._is_dirty = True
        os.lseek(self._file, 0, os.SEEK_END)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def sync(self) -> None:
        """Return once everything appended is on the disk."""
        if self._is_dirty:
            os.fsync(self._file)
            self._is_dirty = False

    def read(self) -> Iterator[LogRecord]:
        """Yield every record in the order in which they were appended."""
        data = self._path.read_bytes()
        offset = len(MAGIC)
        while offset < len(data):
            record, offset = _read_record(data, offset)
            if record is None:
                raise BlockLogError(f"the block log is damaged at byte {offset}")
            yield record

    def close(self) -> None:
        """Sync and close the file."""
        self.sync()
        os.close(self._file)

    def _cut_torn_tail(self) -> int:
        """Remove an incomplete last record and return its length in bytes.

        A bad record that a good one follows is damage, not a torn write, and acknowledged blocks may stand
        behind it.
        """
        data = self._path.read_bytes()
        if data[: len(MAGIC)] != MAGIC:
            raise BlockLogError(f"{self._path} is not a block log")
        offset = len(MAGIC)
        while offset < len(data):
            record, end = _read_record(data, offset)
            if record is None:
                self._refuse_damage(data, offset)
                os.ftruncate(self._file, offset)
                os.fsync(self._file)
                return len(data) - offset
            offset = end
        return 0

    def _refuse_damage(self, data: bytes, offset: int) -> None:
        """Raise BlockLogError if a sound record stands anywhere behind the bad one at `offset`."""
        kinds = set(RecordKind)
        for candidate in range(offset + 1, len(data) - _HEAD.size):
            # The kind is looked at first because that is cheap and rules out nearly every offset.
            if data[candidate + _HEAD.size - 1] in kinds and _read_record(data, candidate)[0] is not None:
                raise BlockLogError(f"the block log is damaged at byte {offset}, and blocks follow the damage")

    def _sync_directory(self) -> None:
        """Make the file's name durable."""
        self.sync()
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _checksum(body: bytes) -> bytes:
    """Return the checksum of a record's head and payload."""
    return hashlib.sha256(body).digest()[:_CHECKSUM_BYTES]


def _read_record(data: bytes, offset: int) -> tuple[LogRecord | None, int]:
    """Read the record at `offset` and where the next begins; None where there is no whole and sound one."""
    head = data[offset : offset + _HEAD.size]
    if len(head) < _HEAD.size:
        return None, offset
    length, kind = _HEAD.unpack(head)
    payload_end = offset + _HEAD.size + length
    end = payload_end + _CHECKSUM_BYTES
    is_sound = (
        length <= PAYLOAD_BYTES_MAX
        and end <= len(data)
        and _checksum(data[offset:payload_end]) == data[payload_end:end]
        and kind in set(RecordKind)
    )
    if not is_sound:
        return None, offset
    return LogRecord(RecordKind(kind), data[offset + _HEAD.size : payload_end]), end
