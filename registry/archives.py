"""Writing a ZIP archive of small members to a stream, in memory that does not grow with their number.

Python's zipfile keeps an object for each member until the end, about a kilobyte of it. Here what the central directory
will say is written to a temporary file meanwhile: some 90 bytes a member. Members are stored, for hashes do not
compress. Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from tempfile import SpooledTemporaryFile

from registry.proof.archives import (
    CENTRAL,
    CENTRAL_HEADER,
    END,
    END_RECORD,
    LOCAL,
    LOCAL_HEADER,
    LONG_MAX,
    SHORT_MAX,
    STORED,
    ZIP64_END,
    ZIP64_END_LOCATOR,
    ZIP64_END_RECORD,
    ZIP64_EXTRA,
    ZIP64_LOCATOR,
)

CHUNK_BYTES = 256 * 1024
"""Bytes that are yielded at once."""

DIRECTORY_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of the central directory that stay in memory."""

VERSION, MADE_BY_UNIX, MODE = 45, 3 << 8, 0o100644 << 16
"""Version 4.5, which knows ZIP64; a plain file that everybody may read."""

LONG_OFFSET = struct.Struct("<2HQ")


def iterate_archive(members: Iterable[tuple[str, bytes]], *, made_at: datetime) -> Iterator[bytes]:
    """Yield the bytes of an archive of members, given by ASCII name and content of less than 4 GiB."""
    stamp = _encode_time(made_at)
    with SpooledTemporaryFile(max_size=DIRECTORY_BYTES_MAX) as directory:
        chunk, position, count = bytearray(), 0, 0
        for name, content in members:
            encoded, crc, size = name.encode("ascii"), zlib.crc32(content), len(content)
            directory.write(_write_entry(encoded, crc, size, position + len(chunk), stamp))
            chunk += LOCAL_HEADER.pack(LOCAL, VERSION, 0, STORED, *stamp, crc, size, size, len(encoded), 0)
            chunk += encoded + content
            count += 1
            if len(chunk) >= CHUNK_BYTES:
                position += len(chunk)
                yield bytes(chunk)
                chunk.clear()
        yield bytes(chunk)
        size_bytes = directory.tell()
        directory.seek(0)
        while piece := directory.read(CHUNK_BYTES):
            yield piece
        yield _write_end(count=count, offset=position + len(chunk), size_bytes=size_bytes)


def _write_entry(name: bytes, crc: int, size: int, offset: int, stamp: tuple[int, int]) -> bytes:
    """Return a member's entry of the central directory."""
    extra = b"" if offset < LONG_MAX else LONG_OFFSET.pack(ZIP64_EXTRA, 8, offset)
    header = CENTRAL_HEADER.pack(
        CENTRAL, MADE_BY_UNIX | VERSION, VERSION, 0, STORED, *stamp, crc, size, size, len(name), len(extra), 0, 0, 0,
        MODE, min(offset, LONG_MAX),
    )  # fmt: skip
    return header + name + extra


def _write_end(*, count: int, offset: int, size_bytes: int) -> bytes:
    """Return what follows the central directory, which begins at `offset`."""
    end = END_RECORD.pack(
        END, 0, 0, min(count, SHORT_MAX), min(count, SHORT_MAX), min(size_bytes, LONG_MAX), min(offset, LONG_MAX), 0
    )
    if count < SHORT_MAX and max(offset, size_bytes) < LONG_MAX:
        return end
    record_bytes = ZIP64_END_RECORD.size - 12
    record = ZIP64_END_RECORD.pack(
        ZIP64_END, record_bytes, MADE_BY_UNIX | VERSION, VERSION, 0, 0, count, count, size_bytes, offset
    )
    return record + ZIP64_END_LOCATOR.pack(ZIP64_LOCATOR, 0, offset + size_bytes, 1) + end


def _encode_time(moment: datetime) -> tuple[int, int]:
    """Return a time as MS-DOS wrote it, to two seconds, and its date."""
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    return time, (moment.year - 1980) << 9 | moment.month << 5 | moment.day
