"""Storages of blobs that fail or differ in one way."""

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
