"""The bytes of unfinished uploads: one file for each upload, written by one request at a time.

The row of the upload says how many bytes count. A file may be longer, after a crash between writing and saving the
offset; what is beyond is cut off before the next byte is written. It is never shorter, for bytes are on the disk before
the row counts them.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from storage.errors import UploadBusyError, UploadLostError


def get_partial_path(upload_id: uuid.UUID) -> Path:
    """Return where an upload's bytes are."""
    return Path(settings.CADASTRE_UPLOAD_DIR) / str(upload_id)


class Partial:
    """An upload's file, open and locked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def cut_to(self, length: int) -> None:
        """Drop what is beyond `length` bytes, and go on writing there.

        Raises UploadLostError if the file is shorter.
        """
        if os.fstat(self._descriptor).st_size < length:
            raise UploadLostError
        os.ftruncate(self._descriptor, length)
        os.lseek(self._descriptor, length, os.SEEK_SET)

    def append(self, data: bytes) -> None:
        """Write all of the bytes."""
        with memoryview(data) as view:
            written = 0
            while written < len(view):
                written += os.write(self._descriptor, view[written:])

    def sync(self) -> None:
        """Wait until everything written is on the disk."""
        os.fsync(self._descriptor)


@contextmanager
def lock_partial(upload_id: uuid.UUID) -> Iterator[Partial]:
    """Open an upload's file for writing, made if it does not exist, and keep others from it meanwhile.

    The lock goes with the process: a crash frees it. Raises UploadBusyError if another request has it.
    """
    path = get_partial_path(upload_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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


def remove_partial(upload_id: uuid.UUID) -> None:
    """Remove an upload's file if it exists."""
    get_partial_path(upload_id).unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Wait until a directory's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
