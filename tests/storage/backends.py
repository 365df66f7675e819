"""Storages of blobs that fail or differ in one way."""

import threading
from collections.abc import Callable
from typing import ClassVar

from django.core.files import File

from storage.backends import DirectoryStorage


class CrashesAfterSaving(DirectoryStorage):
    """Brings the bytes to their place, and then the process ends."""

    def _save(self, name: str, content: File[bytes]) -> str:
        super()._save(name, content)
        raise KeyboardInterrupt


class OnAnotherFileSystem(DirectoryStorage):
    """Cannot take files over by renaming them, as a store behind a network cannot."""

    def _move(self, content: File[bytes], target: object) -> bool:  # noqa: ARG002 - the hook's signature is fixed
        return False


class BackendError(Exception):
    """An error that only this backend knows, as the clients of object stores have."""


class CannotOpen(DirectoryStorage):
    """Answers every opening with an error of its own."""

    def open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Refuse."""
        raise BackendError(name, mode)


class _Unreadable(File[bytes]):
    """A file that breaks when it is read."""

    def read(self, size: int = -1) -> bytes:
        """Fail."""
        raise BackendError(size)


class CannotRead(DirectoryStorage):
    """Opens files that break when they are read."""

    def open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Return such a file."""
        return _Unreadable(super().open(name, mode).file)


class _Sizeless(File[bytes]):
    """A file whose size cannot be told."""

    @property
    def size(self) -> int:
        """Fail."""
        raise BackendError


class CannotTellSizes(DirectoryStorage):
    """Opens files without a size."""

    def open(self, name: str, mode: str = "rb") -> File[bytes]:
        """Return such a file."""
        return _Sizeless(super().open(name, mode).file)


class RunsBesides(DirectoryStorage):
    """Lets something else happen right after the bytes have come to their place, once."""

    besides: ClassVar[list[Callable[[], object]]] = []

    def _save(self, name: str, content: File[bytes]) -> str:
        saved = super()._save(name, content)
        while self.besides:
            self.besides.pop()()
        return saved


class DeletesSlowly(DirectoryStorage):
    """Waits a little, before it deletes a file, for somebody who might come between."""

    is_deleting: ClassVar[threading.Event] = threading.Event()
    is_overtaken: ClassVar[threading.Event] = threading.Event()

    def delete(self, name: str) -> None:
        """Say so, wait, and delete."""
        self.is_deleting.set()
        self.is_overtaken.wait(timeout=0.5)
        super().delete(name)


class CrashesBeforeDeleting(DirectoryStorage):
    """Is asked to remove the bytes, and then the process ends."""

    def delete(self, name: str) -> None:
        """End."""
        raise KeyboardInterrupt(name)


class CrashesAfterDeleting(DirectoryStorage):
    """Removes the bytes, and then the process ends."""

    def delete(self, name: str) -> None:
        """Delete, and end."""
        super().delete(name)
        raise KeyboardInterrupt


class CannotDelete(DirectoryStorage):
    """Answers every deletion with an error of its own."""

    def delete(self, name: str) -> None:
        """Refuse."""
        raise BackendError(name)


class SendsElsewhere(DirectoryStorage):
    """Sends readers to another server."""

    def find_hand_over(self, name: str, range_header: str | None) -> tuple[int, dict[str, str]]:  # noqa: ARG002
        """Return a redirect."""
        return 307, {"Location": "https://store.example.org/"}
