"""A storage of blobs in a real store that lets tests do something before and after each request to it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from pytest_django import Settings

from storage.s3 import S3Storage
from storage.s3_multiparts import S3Multiparts
from tests.swift import Bucket, use_bucket

Hook = Callable[[str], None]


def do_nothing(point: str) -> None:
    """Let the request be made."""


class Watched:
    """A store of parts that says what is asked of it: `before begin`, `after begin`, and so on."""

    def __init__(self, inner: S3Multiparts, tell: Hook) -> None:
        self._inner, self._tell = inner, tell

    def __getattr__(self, name: str) -> Any:
        """Return what the store has, made to tell."""
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._tell(f"before {name}")
            answer = found(*arguments, **options)
            self._tell(f"after {name}")
            return answer

        return call


class WatchedStorage(S3Storage):
    """Calls `hook` with each point."""

    hook: ClassVar[list[Hook]] = [do_nothing]

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.multiparts = Watched(self.multiparts, self._tell)  # type: ignore[assignment]  # it has all that one has

    def _tell(self, point: str) -> None:
        self.hook[-1](point)


@contextmanager
def watched(settings: Settings, bucket: Bucket, point: str, act: Callable[[], object]) -> Iterator[None]:
    """Do something once at a point."""

    def act_once(reached: str) -> None:
        if reached == point:
            WatchedStorage.hook.pop()
            act()

    with hooked(settings, bucket, act_once):
        yield


@contextmanager
def hooked(settings: Settings, bucket: Bucket, hook: Hook) -> Iterator[None]:
    """Call a hook at every point."""
    use_bucket(settings, bucket, backend="tests.storage.s3_backends.WatchedStorage")
    WatchedStorage.hook[:] = [do_nothing, hook]
    try:
        yield
    finally:
        WatchedStorage.hook[:] = [do_nothing]
        use_bucket(settings, bucket)
