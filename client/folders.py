"""What is uploaded: one file, or all files of a folder, read as one stream of bytes.

The payload of a blob is its files one after the other, in the manifest's order, and then the padding.
"""

import hashlib
import mimetypes
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from client.age.payload import get_sealed_length
from client.errors import EmptySourceError, ManifestError, PlaintextChangedError, SourceError
from client.manifest import (
    MANIFEST_BYTES_MAX,
    SIZE_MAX,
    Manifest,
    ManifestFile,
    check_names,
    serialize_manifest,
)

MEDIA_TYPE_UNKNOWN = "application/octet-stream"
_READ_BYTES = 64 * 1024

# Names of the greatest length, all in quotation marks, still fit.
FILES_SURE_TO_FIT = 400
# Header and nonce of an age file to one recipient.
MANIFEST_PREFIX_BYTES = 184


@dataclass(frozen=True)
class SourceFile:
    """One file to upload: its name in the manifest, its path, and its size in bytes when it was looked at."""

    name: str
    path: Path
    size: int

    @property
    def media_type(self) -> str:
        """The media type by the name's extension."""
        guessed = mimetypes.guess_type(self.name, strict=True)
        # A compressed file is that, and not what is compressed in it.
        return guessed[0] if guessed[0] and not guessed[1] else MEDIA_TYPE_UNKNOWN


@dataclass(frozen=True)
class Source:
    """Everything behind one link, in the payload's order, and how many zero bytes follow."""

    path: Path
    files: tuple[SourceFile, ...]
    padding: int

    @property
    def length(self) -> int:
        """Length of the payload in bytes."""
        return sum(entry.size for entry in self.files) + self.padding


def find_source(path: Path, *, is_padded: bool = False) -> Source:
    """Look at a file or a folder.

    Raises SourceError for a missing path, symbolic links and devices in a folder, and names that a manifest
    refuses; EmptySourceError if there is no byte in it.
    """
    resolved = path.resolve()
    if resolved.is_dir():
        files = tuple(list_files(resolved))
    elif resolved.is_file():
        files = (SourceFile(resolved.name, resolved, resolved.stat().st_size),)
    else:
        raise SourceError(f"{path} is neither a file nor a folder.")
    length = sum(entry.size for entry in files)
    if not length:
        raise EmptySourceError(f"{path} has not one byte to upload: empty blobs are refused.")
    try:
        check_names([entry.name for entry in files])
    except ManifestError as error:
        raise SourceError(f"{path}: {error}") from error
    _check_manifest_fits(path, files)
    return Source(resolved, files, get_padded_length(length) - length if is_padded else 0)


def _check_manifest_fits(path: Path, files: tuple[SourceFile, ...]) -> None:
    """Raise SourceError if the files have too many names for one manifest: found out before anything is sent."""
    if len(files) <= FILES_SURE_TO_FIT:
        return
    entries = tuple(ManifestFile(entry.name, entry.media_type, entry.size, bytes(32)) for entry in files)
    longest = Manifest(entries, length=SIZE_MAX, root=bytes(32), padding=SIZE_MAX)
    length = get_sealed_length(len(serialize_manifest(longest))) + MANIFEST_PREFIX_BYTES
    if length > MANIFEST_BYTES_MAX:
        raise SourceError(
            f"{path} has {len(files)} files, whose names take {length} bytes of the {MANIFEST_BYTES_MAX} that one link "
            "may list: put its folders one by one."
        )


def get_padded_length(length: int) -> int:
    """Return the length up to which the Padmé rule pads: at most 12 % more, and few lengths in all.

    Source: Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs",
    2019.
    """
    if length <= 1:
        return length
    exponent = length.bit_length() - 1
    zero_bits = exponent - exponent.bit_length()
    mask = (1 << zero_bits) - 1
    return (length + mask) & ~mask


class PayloadReader:
    """Reads a source as one stream, and knows each file's SHA-256 once it has passed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._parts = self._read_parts()
        self._buffer = b""
        self._digests: list[bytes] = []

    def read(self, size: int, /) -> bytes:
        """Return exactly `size` bytes, or fewer at the payload's end.

        Raises PlaintextChangedError if a file is shorter, longer or gone since it was looked at.
        """
        while len(self._buffer) < size:
            part = next(self._parts, None)
            if part is None:
                break
            self._buffer += part
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def list_files(self) -> tuple[ManifestFile, ...]:
        """Return the manifest's entries; the payload must have been read to its end."""
        assert len(self._digests) == len(self._source.files), "the payload was not read to its end"
        return tuple(
            ManifestFile(entry.name, entry.media_type, entry.size, digest)
            for entry, digest in zip(self._source.files, self._digests, strict=True)
        )

    def _read_parts(self) -> Iterator[bytes]:
        for entry in self._source.files:
            try:
                with entry.path.open("rb") as stream:
                    yield from self._read_file(entry, stream)
            except OSError as error:
                raise PlaintextChangedError(f"{entry.path} cannot be read: {error.strerror}.") from error
        left = self._source.padding
        while left:
            yield bytes(min(left, _READ_BYTES))
            left -= min(left, _READ_BYTES)

    def _read_file(self, entry: SourceFile, stream: BinaryIO) -> Iterator[bytes]:
        digest, left = hashlib.sha256(), entry.size
        while left:
            part = stream.read(min(left, _READ_BYTES))
            if not part:
                raise PlaintextChangedError(f"{entry.path} became shorter while it was uploaded.")
            digest.update(part)
            left -= len(part)
            yield part
        if stream.read(1):
            raise PlaintextChangedError(f"{entry.path} became longer while it was uploaded.")
        self._digests.append(digest.digest())


def list_files(folder: Path) -> Iterator[SourceFile]:
    """Walk a folder in the order of names, so that the same folder gives the same payload.

    Raises SourceError for symbolic links and devices.
    """
    for path in sorted(folder.rglob("*"), key=lambda entry: entry.relative_to(folder).as_posix()):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise SourceError(f"{path} is a symbolic link or a device, which is not followed.")
        name = re.sub("^/", "", f"{folder.name}/{path.relative_to(folder).as_posix()}")
        yield SourceFile(name, path, path.stat().st_size)
