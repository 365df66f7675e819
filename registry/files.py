"""Files that appear under their names whole or not at all, whatever kills the process or cuts the power."""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.errors import ExportBusyError


class Workshop:
    """A folder's hidden place for unfinished files, which belongs to one process at a time.

    It lies inside the folder, so that a finished file gets its name by a rename within one file system.
    """

    def __init__(self, folder: Path) -> None:
        self._unfinished = folder / ".unfinished"

    @contextmanager
    def open(self, *, keep: str = "") -> Iterator[None]:
        """Keep other processes out, and remove what one that was killed left behind, but for the file named `keep`.

        Raises ExportBusyError if another process is at work.
        """
        self._unfinished.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._unfinished, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ExportBusyError from error
            for left in self._unfinished.iterdir():
                if left.name != keep:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield
        finally:
            os.close(descriptor)

    def write(self, path: Path, chunks: Iterable[bytes]) -> None:
        """Write a file; it gets its name, in the place of an earlier one, once all of it is on the disk."""
        self.draft(path.name, chunks)
        self.put(path.name, path)

    def draft(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write an unfinished file; once this returns, all of it is on the disk."""
        with self.get_path(name).open("wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())

    def put(self, name: str, path: Path) -> None:
        """Give an unfinished file its name, in the place of an earlier one."""
        self.get_path(name).replace(path)
        sync_folder(path.parent)

    def get_path(self, name: str) -> Path:
        """Return where an unfinished file is."""
        return self._unfinished / name


def sync_folder(folder: Path) -> None:
    """Return once the folder's names, new and removed ones, are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
