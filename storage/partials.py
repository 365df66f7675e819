"""The bytes of unfinished uploads: one file for each upload, written by one request at a time.

The row of the upload says how many bytes count. A file may be longer, after a crash between writing and saving the
offset; what is beyond is cut off before the next byte is written. It is never shorter, for bytes are on the disk before
the row counts them.
"""

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from storage.errors import StorageFullError, UploadBusyError, UploadLostError

FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room on the disk, or none for this user or in this file."""
WRITE_BEHIND_BYTES = 4 * 1024 * 1024
"""After so many bytes the system is asked to begin writing them, so that `sync` has little left to wait for."""


def get_partial_path(upload_id: uuid.UUID) -> Path:
    """Return where an upload's bytes are."""
    return Path(settings.CADASTRE_UPLOAD_DIR) / str(upload_id)


class Partial:
    """An upload's file, open and locked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = 0

    def cut_to(self, length: int) -> None:
        """Drop what is beyond `length` bytes, and go on writing there.

        Raises UploadLostError if the file is shorter.
        """
        if os.fstat(self._descriptor).st_size < length:
            raise UploadLostError
        os.ftruncate(self._descriptor, length)
        os.lseek(self._descriptor, length, os.SEEK_SET)
        self._begun = length

    def append(self, data: bytes | memoryview) -> None:
        """Write all of the bytes. Raises StorageFullError if there is no room for them; some may have been written."""
        with memoryview(data) as view, naming_full():
            written = 0
            while written < len(view):
                written += os.write(self._descriptor, view[written:])
        self._begin_writing()

    def _begin_writing(self) -> None:
        """Let the disk work while the next bytes come and are digested."""
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if end - self._begun >= WRITE_BEHIND_BYTES and hasattr(os, "posix_fadvise"):
            # Linux begins to write what it is told that nobody needs, and drops only what is on the disk already.
            os.posix_fadvise(self._descriptor, self._begun, end - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = end

    def sync(self) -> None:
        """Wait until everything written is on the disk.

        Raises StorageFullError if only now there turns out to be no room, as on some network file systems.
        """
        with naming_full():
            os.fsync(self._descriptor)


@contextmanager
def lock_partial(upload_id: uuid.UUID) -> Iterator[Partial]:
    """Open an upload's file for writing, made if it does not exist, and keep others from it meanwhile.

    The lock goes with the process: a crash frees it. Raises UploadBusyError if another request has it,
    StorageFullError if there is no room for a new file.
    """
    path = get_partial_path(upload_id)
    with naming_full():
        _make_private(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UploadBusyError from error
        if not os.fstat(descriptor).st_size:
            sync_directory(path.parent)
        yield Partial(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def lock_blob(sha256: bytes, *, is_exclusive: bool) -> Iterator[None]:
    """Keep the file of a blob from being removed while it is brought to its place and its row is written.

    Those who bring it share the lock, and wait for whoever removes a file; the latter does not wait for them, but
    raises UploadBusyError. There is one lock for all digests that begin with the same byte, so that locks take no more
    room with time.
    """
    path = Path(settings.CADASTRE_UPLOAD_DIR) / "locks" / sha256[:1].hex()
    _make_private(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if is_exclusive else fcntl.LOCK_SH)
        except BlockingIOError as error:
            raise UploadBusyError from error
        yield
    finally:
        os.close(descriptor)


@contextmanager
def read_partial(upload_id: uuid.UUID) -> Iterator[BinaryIO]:
    """Open an upload's file for reading.

    Raises UploadLostError if there is none.
    """
    try:
        stream = get_partial_path(upload_id).open("rb")
    except FileNotFoundError as error:
        raise UploadLostError from error
    with stream:
        yield stream


@contextmanager
def naming_full() -> Iterator[None]:
    """Raise StorageFullError where the file system says that it is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL_ERRNOS:
            raise
        raise StorageFullError from error


def require_room(length: int) -> None:
    """Check that so many bytes fit beside CADASTRE_DISK_RESERVE_BYTES on the disk of unfinished uploads.

    Nothing is set aside: others may take the room before. Raises StorageFullError if they do not fit.
    """
    directory = Path(settings.CADASTRE_UPLOAD_DIR)
    with naming_full():
        _make_private(directory)
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < length + settings.CADASTRE_DISK_RESERVE_BYTES:
        raise StorageFullError


def remove_partial(upload_id: uuid.UUID) -> None:
    """Remove an upload's file if it exists."""
    get_partial_path(upload_id).unlink(missing_ok=True)


def _make_private(directory: Path) -> None:
    """Make a directory for its owner alone, and the one of all uploads first: parents would be open to everybody."""
    Path(settings.CADASTRE_UPLOAD_DIR).mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)


def sync_directory(path: Path) -> None:
    """Wait until a directory's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
