"""Where blobs live. Storage is reached through Django's STORAGES, so a deployment chooses by settings."""

import errno
import fcntl
import os
import signal
import uuid
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible

from storage.partials import naming_full, sync_directory

_COPY_BYTES = 1024 * 1024
_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


@deconstructible
class DirectoryStorage(FileSystemStorage):
    """Files under a directory, read by their owner alone; a file is there whole and on the disk, or not at all.

    It is made for names that follow from the content: saving under a taken name replaces the file by an equal one.
    A content with `temporary_file_path` is moved; from another file system it is copied, and its source stays.
    """

    def __init__(
        self, location: str | Path | None = None, base_url: str | None = None, accel_location: str = ""
    ) -> None:
        super().__init__(
            location, base_url, file_permissions_mode=_FILE_MODE, directory_permissions_mode=_DIRECTORY_MODE
        )
        self._accel_location = accel_location

    def find_hand_over(self, name: str) -> tuple[int, dict[str, str]] | None:
        """Return the status and headers that let nginx send a file, None if no location of nginx is set.

        Source: nginx, ngx_http_proxy_module, X-Accel-Redirect.
        """
        if not self._accel_location:
            return None
        return 200, {"X-Accel-Redirect": self._accel_location + name}

    def get_available_name(self, name: str, max_length: int | None = None) -> str:  # noqa: ARG002 - Django's hook
        """Return the name itself: equal names mean equal contents."""
        return name

    def delete(self, name: str) -> None:
        """Take the file away from its name, then overwrite its bytes with zeros where nobody reads them, and remove it.

        Zeros must never be sent as if they were the content: a file that somebody still has open is cut to nothing
        instead, which breaks the reading off. A crash leaves the file under its hidden name, and repeating the call
        goes on from there. On a file system that copies on write, and on flash memory, old copies of the bytes may
        stay until their place is used again. Raises ValueError without a name.
        """
        if not name:
            raise ValueError("A file that is to be deleted has a name.")
        target = Path(self.path(name))
        hidden = _hide(target)
        if target.exists():
            target.replace(hidden)
            sync_directory(target.parent)
        if hidden.exists():
            _wipe(hidden)
            hidden.unlink()
            sync_directory(target.parent)

    def _save(self, name: str, content: File[bytes]) -> str:
        """Put the content under its name in one step, once all of it is on the disk.

        Raises StorageFullError if there is no room for it; then nothing of it is left.
        """
        target = Path(self.path(name))
        with naming_full():
            self._make_directories(target.parent)
            # What a crash left of an earlier file of this name would stay for ever if this one does.
            _hide(target).unlink(missing_ok=True)
            if not self._move(content, target):
                self._copy(content, target)
            sync_directory(target.parent)
        return name

    def _move(self, content: File[bytes], target: Path) -> bool:
        """Rename the content's file to the target; return whether it has a file on this file system."""
        get_path = getattr(content, "temporary_file_path", None)
        if get_path is None:
            return False
        source = Path(get_path())
        self._finish(source)
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        return True

    def _copy(self, content: File[bytes], target: Path) -> None:
        """Copy the content beside the target and rename that: a crash leaves no target that is not whole."""
        waiting = target.parent / f".{uuid.uuid4().hex}"
        try:
            descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            with os.fdopen(descriptor, "wb") as stream:
                for chunk in content.chunks(_COPY_BYTES):
                    stream.write(chunk)
            self._finish(waiting)
            waiting.replace(target)
        finally:
            waiting.unlink(missing_ok=True)

    def _finish(self, path: Path) -> None:
        path.chmod(_FILE_MODE)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())

    def _make_directories(self, directory: Path) -> None:
        """Make a directory and its parents below the root; each is on the disk before the next is made."""
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
        for path in reversed(missing):
            path.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
            sync_directory(path.parent)


def _hide(target: Path) -> Path:
    """Return the name under which a file waits for being overwritten."""
    return target.with_name(f".{target.name}.erased")


def _wipe(path: Path) -> None:
    """Overwrite a file with zeros, on the disk; or cut it to nothing if anybody has it open."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        left = 0 if _is_open_elsewhere(descriptor) else os.fstat(descriptor).st_size
        while left:
            left -= os.write(descriptor, bytes(min(left, _COPY_BYTES)))
        os.fsync(descriptor)
        os.ftruncate(descriptor, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_open_elsewhere(descriptor: int) -> bool:
    """Return whether a file is open a second time, by whatever process; also where the file system cannot tell.

    Linux gives a write lease only to whoever has the file alone (fcntl(2)). It is given back at once. Should somebody
    open the file in between, the signal for it is one that is ignored by default.
    """
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return True
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
