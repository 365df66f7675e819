"""Reading a ZIP archive member by member, in memory that does not grow with their number.

The central directory says which members there are, as it does for every program that unpacks archives, and the local
header of each must say the same. Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from registry.proof.errors import MalformedArchiveError, ProofTooLargeError, UsageError

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
ZIP64_END, ZIP64_LOCATOR = b"PK\6\6", b"PK\6\7"
LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""Signature, version, flags, method, time, date, CRC-32, both sizes, lengths of name and extra field."""

CENTRAL_HEADER = struct.Struct("<4s6H3L5H2L")
"""Signature, two versions, flags, method, time, date, CRC-32, both sizes, lengths of name, extra field and comment,
disk, two kinds of attributes, offset of the local header."""

END_RECORD = struct.Struct("<4s4H2LH")
ZIP64_END_RECORD = struct.Struct("<4sQ2H2L4Q")
ZIP64_END_LOCATOR = struct.Struct("<4sLQL")
ZIP64_EXTRA = 1
STORED, DEFLATED = 0, 8
ENCRYPTED = 1
SHORT_MAX, LONG_MAX = 0xFFFF, 0xFFFFFFFF
"""In the old records, these stand for a number that only the ZIP64 record or field has."""

COMMENT_BYTES_MAX = 0xFFFF
WINDOW_BYTES = 256 * 1024


class _Member(NamedTuple):
    """What the central directory says of a member."""

    name: bytes
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    offset: int


class _Window:
    """A file of which a part at a time is in memory; a map of it would count as memory in full."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._offset, self._held = 0, b""
        self.size_bytes = stream.seek(0, os.SEEK_END)

    def cut(self, offset: int, length: int) -> bytes:
        """Return bytes of the file, fewer where it ends."""
        start = offset - self._offset
        if not 0 <= start <= start + length <= len(self._held):
            self._stream.seek(offset)
            self._offset, self._held, start = offset, self._stream.read(max(length, WINDOW_BYTES)), 0
        return self._held[start : start + length]

    def unpack(self, form: struct.Struct, offset: int) -> tuple[Any, ...]:
        """Return the fields of a record in the file."""
        return form.unpack(self.cut(offset, form.size))


def read_members(path: Path, *, bytes_max: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each member of an archive that is not a folder, in the directory's order.

    Raises MalformedArchiveError if the archive is damaged, encrypted or packed by another method than deflate,
    ProofTooLargeError if a member has more than `bytes_max` bytes, UsageError if the file cannot be read.
    """
    try:
        with path.open("rb") as stream, path.open("rb") as directory:
            data = _Window(stream)
            for member in _list_members(_Window(directory)):
                if max(member.size_bytes, member.packed_bytes) > bytes_max:
                    raise ProofTooLargeError(f"{member.name[:100]!r} has more than {bytes_max} bytes")
                if not member.name.endswith(b"/"):
                    yield member.name.decode("utf-8", "backslashreplace"), _read_member(data, member)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (struct.error, ValueError, OverflowError) as error:
        # What a number leads to lies outside of the file.
        raise MalformedArchiveError from error


def _list_members(data: _Window) -> Iterator[_Member]:
    """Yield the entries of the central directory."""
    count, offset = _find_directory(data)
    for _ in range(count):
        (signature, _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes, comment_bytes,
         _, _, _, local) = data.unpack(CENTRAL_HEADER, offset)  # fmt: skip
        if signature != CENTRAL or flags & ENCRYPTED or method not in (STORED, DEFLATED):
            raise MalformedArchiveError
        offset += CENTRAL_HEADER.size
        name, extra = data.cut(offset, name_bytes), data.cut(offset + name_bytes, extra_bytes)
        if LONG_MAX in (packed, size, local):
            size, packed, local = _read_long_fields(extra, size, packed, local)
        yield _Member(name, method, crc, packed, size, local)
        offset += name_bytes + extra_bytes + comment_bytes


def _find_directory(data: _Window) -> tuple[int, int]:
    """Return how many entries the central directory has, and where it begins."""
    tail_bytes = min(data.size_bytes, END_RECORD.size + COMMENT_BYTES_MAX)
    place = data.cut(data.size_bytes - tail_bytes, tail_bytes).rfind(END)
    if place < 0:
        raise MalformedArchiveError("there is no end of a ZIP archive")
    end = data.size_bytes - tail_bytes + place
    _, _, _, _, count, size, offset, comment_bytes = data.unpack(END_RECORD, end)
    if end + END_RECORD.size + comment_bytes != data.size_bytes:
        raise MalformedArchiveError("bytes follow the end of the archive")
    if count == SHORT_MAX or LONG_MAX in (size, offset):
        signature, _, end, _ = data.unpack(ZIP64_END_LOCATOR, end - ZIP64_END_LOCATOR.size)
        record = data.unpack(ZIP64_END_RECORD, end)
        if signature != ZIP64_LOCATOR or record[0] != ZIP64_END:
            raise MalformedArchiveError
        count, size, offset = record[7:]
    if offset + size != end:
        raise MalformedArchiveError("the directory does not end where the archive's end begins")
    return count, offset


def _read_long_fields(extra: bytes, *fields: int) -> list[int]:
    """Return the numbers with those from the ZIP64 extra field in the place of those that are too long."""
    while extra:
        tag, length = struct.Struct("<2H").unpack_from(extra)
        if tag == ZIP64_EXTRA:
            numbers = iter([number for (number,) in struct.Struct("<Q").iter_unpack(extra[4 : 4 + length])])
            return [next(numbers, LONG_MAX) if field == LONG_MAX else field for field in fields]
        extra = extra[4 + length :]
    raise MalformedArchiveError


def _read_member(data: _Window, member: _Member) -> bytes:
    """Return a member's content, after comparing it with what the directory says."""
    signature, _, flags, method, _, _, _, _, _, name_bytes, extra_bytes = data.unpack(LOCAL_HEADER, member.offset)
    start = member.offset + LOCAL_HEADER.size
    if (signature, method, data.cut(start, name_bytes)) != (LOCAL, member.method, member.name):
        raise MalformedArchiveError(f"{member.name[:100]!r} is not where the directory says")
    content = data.cut(start + name_bytes + extra_bytes, member.packed_bytes)
    if flags & ENCRYPTED:
        raise MalformedArchiveError
    if method == DEFLATED:
        content = _inflate(content, member.size_bytes)
    if len(content) != member.size_bytes or zlib.crc32(content) != member.crc:
        raise MalformedArchiveError(f"{member.name[:100]!r} is damaged")
    return content


def _inflate(content: bytes, size_bytes: int) -> bytes:
    """Unpack a member, by one byte more than its size at the most."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size_bytes + 1)
    except zlib.error as error:
        raise MalformedArchiveError from error
