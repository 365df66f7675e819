"""How many archives of proofs one process writes at a time, so that downloads never take all of its threads.

An archive of a large batch takes minutes to send to a slow reader, and holds a thread of the web server for as long.
"""

from collections.abc import Iterator
from threading import Lock

from django.conf import settings

from registry.errors import ArchivesBusyError

_lock = Lock()
_readers: set[str] = set()
"""The addresses of those who are reading an archive from this process."""


class ArchiveBody:
    """An archive's bytes on their way to a reader, whose place is free again once it is closed."""

    def __init__(self, pieces: Iterator[bytes], *, reader: str) -> None:
        """Take a place for the reader, named by the network address.

        Raises ArchivesBusyError if the reader has one already, or none is left.
        """
        with _lock:
            if reader in _readers or len(_readers) >= settings.CADASTRE_ARCHIVES_AT_ONCE:
                raise ArchivesBusyError
            _readers.add(reader)
        self._pieces = pieces
        self._reader = reader
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        """Give the bytes."""
        return self._pieces

    def close(self) -> None:
        """Free the place: Django calls this when the answer is sent, or its reader is gone."""
        with _lock:
            if self._is_open:
                self._is_open = False
                _readers.remove(self._reader)
