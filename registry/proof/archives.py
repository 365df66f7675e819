"""Reading a ZIP archive member by member, in memory that hardly grows with their number: 16 bytes each.

Programs that unpack archives differ in what they believe where an archive contradicts itself, so that one could show
us other members than them. Only an archive that leaves no choice is read: the members one after the other from the
first byte on, then the central directory with as many entries as are told, which say what the members' own headers say,
then the end records, which agree, and nothing before, between or after. No comments, and no name twice.
Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import os
import struct
import zlib
from array import array
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
EXTRA_HEADER = struct.Struct("<2H")
ZIP64_EXTRA, UNICODE_NAME_EXTRA = 0x0001, 0x7075
"""Extra fields: the numbers that are too long, and another name for the member, which some programs follow."""

STORED, DEFLATED = 0, 8
DESCRIBED_AFTER = 1 << 3
"""The flag of a member whose checksum and sizes follow its content, as an archive that was streamed has them."""

FLAGS_KNOWN = DESCRIBED_AFTER | 0b110 | 1 << 11
"""That, how hard deflate tried, and that the name is UTF-8. Others, like encryption, change how content is read."""

DESCRIPTOR = b"PK\7\x08"
DESCRIPTORS = (struct.Struct("<3L"), struct.Struct("<L2Q"))
SHORT_MAX, LONG_MAX = 0xFFFF, 0xFFFFFFFF
"""In the old records, these stand for a number that only the ZIP64 record or field has."""

WINDOW_BYTES = 256 * 1024


class _Member(NamedTuple):
    """What the central directory says of a member."""

    name: bytes
    flags: int
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


class _Names:
    """The names that were seen, as hashes of 8 bytes in a table that is never more than half full."""

    def __init__(self, count: int) -> None:
        self._slots = array("Q", [0]) * (2 * count + 1)

    def add(self, name: bytes) -> bool:
        """Note a name, and say if it is new. A name that was there never is; a new one may be mistaken, by chance."""
        mark = hash(name) % 2**64 or 1
        slots = self._slots
        place = mark % len(slots)
        while slots[place]:
            if slots[place] == mark:
                return False
            place = (place + 1) % len(slots)
        slots[place] = mark
        return True


def read_members(path: Path, *, bytes_max: int) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each member of an archive that is not a folder, in the directory's order.

    Raises MalformedArchiveError if the archive is damaged, encrypted, packed by another method than deflate, or could
    be read in more than one way, ProofTooLargeError if a member has more than `bytes_max` bytes, UsageError if the file
    cannot be read.
    """
    try:
        with path.open("rb") as stream, path.open("rb") as directory:
            yield from _read_archive(_Window(stream), _Window(directory), bytes_max)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except struct.error as error:
        # What a number leads to lies outside of the file.
        raise MalformedArchiveError from error


def _read_archive(data: _Window, directory: _Window, bytes_max: int) -> Iterator[tuple[str, bytes]]:
    """Yield the members; the two windows move through the file side by side."""
    count, start, end = _find_directory(directory)
    position = 0
    for member in _list_members(directory, count, start, end):
        if max(member.size_bytes, member.packed_bytes) > bytes_max:
            raise ProofTooLargeError(f"{member.name[:100]!r} has more than {bytes_max} bytes")
        if member.offset != position:
            raise MalformedArchiveError(f"{member.name[:100]!r} does not follow the member before it")
        content, position = _read_member(data, member)
        if not member.name.endswith(b"/"):
            yield member.name.decode("utf-8", "backslashreplace"), content
        elif content:
            raise MalformedArchiveError(f"{member.name[:100]!r} is a folder and has content")
    if position != start:
        raise MalformedArchiveError("the directory does not follow the last member")


def _list_members(data: _Window, count: int, start: int, end: int) -> Iterator[_Member]:
    """Yield the entries of the central directory, which has so many from one place in the file to another."""
    if count * CENTRAL_HEADER.size > end - start:
        raise MalformedArchiveError("the directory has fewer entries than it says")
    names, offset = _Names(count), start
    for _ in range(count):
        (signature, _, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes, comment_bytes,
         disk, _, _, local) = data.unpack(CENTRAL_HEADER, offset)  # fmt: skip
        if (signature, comment_bytes, disk) != (CENTRAL, 0, 0):
            raise MalformedArchiveError
        if flags & ~FLAGS_KNOWN or method not in (STORED, DEFLATED):
            raise MalformedArchiveError("a member is encrypted, or packed in an unknown way")
        offset += CENTRAL_HEADER.size
        name, extra = data.cut(offset, name_bytes), data.cut(offset + name_bytes, extra_bytes)
        _check_name(name, names)
        size, packed, local = _read_long_fields(extra, size, packed, local)
        yield _Member(name, flags, method, crc, packed, size, local)
        offset += name_bytes + extra_bytes
    if offset != end:
        raise MalformedArchiveError("the directory has more entries than it says")


def _check_name(name: bytes, names: _Names) -> None:
    """Refuse a name that was there before, or that programs change, so that it may be another's."""
    if b"\0" in name or b"\\" in name or {b"", b".", b".."} & set(name.removesuffix(b"/").split(b"/")):
        raise MalformedArchiveError(f"{name[:100]!r} is not a plain name")
    if not names.add(name.removesuffix(b"/")):
        raise MalformedArchiveError(f"{name[:100]!r} is there twice")


def _find_directory(data: _Window) -> tuple[int, int, int]:
    """Return how many entries the central directory has, where it begins and where it ends."""
    end = data.size_bytes - END_RECORD.size
    signature, *fields, comment_bytes = data.unpack(END_RECORD, max(end, 0))
    if (signature, comment_bytes) != (END, 0):
        raise MalformedArchiveError("the file does not end as a ZIP archive without a comment does")
    # Whoever looks for the locator finds it at this place, whatever the fields say.
    place = end - ZIP64_END_LOCATOR.size
    if place >= 0 and data.cut(place, len(ZIP64_LOCATOR)) == ZIP64_LOCATOR:
        end = place - ZIP64_END_RECORD.size
        fields = _read_long_record(data, end, fields)
    disk, first_disk, count_here, count, size, offset = fields
    if (disk, first_disk, count_here) != (0, 0, count):
        raise MalformedArchiveError("the archive is a part of one")
    if offset + size != end:
        raise MalformedArchiveError("the directory does not end where the archive's end begins")
    return count, offset, end


def _read_long_record(data: _Window, offset: int, short: list[int]) -> list[int]:
    """Return the fields of the ZIP64 record, which the fields of the old record must leave to it or repeat."""
    locator = data.unpack(ZIP64_END_LOCATOR, offset + ZIP64_END_RECORD.size)
    if locator != (ZIP64_LOCATOR, 0, offset, 1):
        raise MalformedArchiveError("the ZIP64 record does not stand right before its locator")
    signature, record_bytes, _, _, *fields = data.unpack(ZIP64_END_RECORD, offset)
    if (signature, record_bytes) != (ZIP64_END, ZIP64_END_RECORD.size - 12):
        raise MalformedArchiveError("the ZIP64 record does not end at its locator")
    limits = (SHORT_MAX,) * 4 + (LONG_MAX,) * 2
    left = [field == limit for field, limit in zip(short, limits, strict=True)]
    if not any(left) or any(not is_left and old != new for is_left, old, new in zip(left, short, fields, strict=True)):
        raise MalformedArchiveError("the two records of the archive's end do not agree")
    return fields


def _read_long_fields(extra: bytes, *fields: int) -> list[int]:
    """Return the numbers with those from the ZIP64 extra field in the place of those that are too long."""
    long_ones = None
    while extra:
        tag, length = EXTRA_HEADER.unpack_from(extra)
        if 4 + length > len(extra) or tag == UNICODE_NAME_EXTRA or (tag == ZIP64_EXTRA and long_ones is not None):
            raise MalformedArchiveError("an extra field is not what it should be")
        if tag == ZIP64_EXTRA:
            long_ones = [number for (number,) in struct.Struct("<Q").iter_unpack(extra[4 : 4 + length])]
        extra = extra[4 + length :]
    if LONG_MAX not in fields:
        return list(fields)
    if fields.count(LONG_MAX) > len(long_ones or []):
        raise MalformedArchiveError("a long number is missing")
    numbers = iter(long_ones or [])
    return [next(numbers) if field == LONG_MAX else field for field in fields]


def _read_member(data: _Window, member: _Member) -> tuple[bytes, int]:
    """Return a member's content, after comparing its header with what the directory says, and where it ends."""
    (signature, _, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes) = data.unpack(
        LOCAL_HEADER, member.offset
    )
    start = member.offset + LOCAL_HEADER.size
    name, extra = data.cut(start, name_bytes), data.cut(start + name_bytes, extra_bytes)
    start += name_bytes + extra_bytes
    size, packed = _read_long_fields(extra, size, packed)
    if (signature, flags, method, name) != (LOCAL, member.flags, member.method, member.name):
        raise MalformedArchiveError(f"{member.name[:100]!r} is not where the directory says")
    numbers = (member.crc, member.packed_bytes, member.size_bytes)
    if (crc, packed, size) != numbers and not (flags & DESCRIBED_AFTER and (crc, packed, size) == (0, 0, 0)):
        raise MalformedArchiveError(f"{member.name[:100]!r} does not have the sizes that the directory says")
    content, end = data.cut(start, member.packed_bytes), start + member.packed_bytes
    if flags & DESCRIBED_AFTER:
        end += _measure_descriptor(data, end, numbers)
    if method == DEFLATED:
        content = _inflate(content, member.size_bytes)
    if len(content) != member.size_bytes or zlib.crc32(content) != member.crc:
        raise MalformedArchiveError(f"{member.name[:100]!r} is damaged")
    return content, end


def _measure_descriptor(data: _Window, offset: int, numbers: tuple[int, int, int]) -> int:
    """Return how many bytes of checksum and sizes follow a content: 4 or 8 each, with a signature or without."""
    for form in DESCRIPTORS:
        said = form.pack(*numbers)
        for expected in (DESCRIPTOR + said, said):
            if data.cut(offset, len(expected)) == expected:
                return len(expected)
    raise MalformedArchiveError("a member is not followed by its checksum and sizes")


def _inflate(content: bytes, size_bytes: int) -> bytes:
    """Unpack a member, by one byte more than its size at the most."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = unpacker.decompress(content, size_bytes + 1)
    except zlib.error as error:
        raise MalformedArchiveError from error
    if not unpacker.eof or unpacker.unused_data:
        raise MalformedArchiveError("a member is not packed from its first byte to its last")
    return unpacked
