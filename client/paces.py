"""Keeping the average rate of everything that is sent or fetched at a limit, also of several transfers at once."""

import time
from collections.abc import Callable
from threading import Lock


class Pace:
    """A limit in bytes per second, or None; threads share it, and wait for their turn before they send."""

    def __init__(
        self,
        rate_bytes_s: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate_bytes_s, self._clock, self._sleep = rate_bytes_s, clock, sleep
        self._free_at = clock()
        self._lock = Lock()

    def wait(self, upcoming_bytes: int) -> None:
        """Return when so many bytes may go: when those that went before have had their time."""
        if self._rate_bytes_s is None:
            return
        with self._lock:
            now = self._clock()
            starts_at = max(self._free_at, now)
            self._free_at = starts_at + upcoming_bytes / self._rate_bytes_s
        if starts_at > now:
            self._sleep(starts_at - now)

    def limit_piece(self, size_bytes: int) -> int:
        """Return how much to read at once: at most what a second allows, so that the bytes keep coming."""
        return size_bytes if self._rate_bytes_s is None else max(1, min(size_bytes, self._rate_bytes_s))
