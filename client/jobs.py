"""Many files at once: a few threads take them in order, and the outcomes come back in the same order.

Threads suffice: encryption, decryption and hashing leave the interpreter's lock to the others while they work. Keys so
stay in one process.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from client import exits
from client.consoles import Console
from client.errors import (
    ClientError,
    InterruptedRunError,
    NotAuthorizedError,
    NotSignedInError,
    NotTriedError,
    ServerUnavailableError,
    StorageFullError,
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# What the next file would fail of, too: the others are not tried.
ENDING = (NotAuthorizedError, NotSignedInError, ServerUnavailableError, StorageFullError, InterruptedRunError)
# How long an interrupted run lets its threads tidy up. What they leave after that is what a killed process leaves.
GRACE_S = 5.0


@dataclass(frozen=True)
class Outcome(Generic[_Item, _Result]):
    """What became of one item: its result, or why there is none."""

    item: _Item
    result: _Result | None
    error: ClientError | None


class Stop:
    """Tells threads that the command was interrupted, wherever they wait or move forward."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Interrupt."""
        self._event.set()

    def check(self) -> None:
        """Raise InterruptedRunError if the command was interrupted."""
        if self._event.is_set():
            raise InterruptedRunError

    def sleep(self, delay_s: float) -> None:
        """Wait, unless the command is interrupted. Raises InterruptedRunError if it is."""
        self._event.wait(delay_s)
        self.check()


def run_jobs(
    items: Sequence[_Item], work: Callable[[_Item], _Result], *, jobs_max: int, stop: Stop
) -> Iterator[Outcome[_Item, _Result]]:
    """Do a piece of work for each item, several at once, and yield the outcomes in the items' order.

    After an error of ENDING no further item is begun; those have NotTriedError. An error that is not ours ends the run.
    """
    crew = _Crew(items, work)
    threads = [threading.Thread(target=crew.run, daemon=True) for _ in range(min(jobs_max, len(items)))]
    for thread in threads:
        thread.start()
    try:
        yield from crew.collect()
    except BaseException:
        stop.set()
        crew.halt()
        raise
    finally:
        for thread in threads:
            thread.join(GRACE_S)


class _Crew(Generic[_Item, _Result]):
    """What the threads share."""

    def __init__(self, items: Sequence[_Item], work: Callable[[_Item], _Result]) -> None:
        self._items, self._work = items, work
        self._numbers = iter(range(len(items)))
        self._lock = threading.Lock()
        self._is_halted = False
        self._done: queue.SimpleQueue[tuple[int, _Result | None, BaseException | None]] = queue.SimpleQueue()

    def halt(self) -> None:
        """Begin no further item."""
        self._is_halted = True

    def run(self) -> None:
        """Take one item after the other: what each thread does."""
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            self._done.put((number, *self._attempt(self._items[number])))

    def _attempt(self, item: _Item) -> tuple[_Result | None, BaseException | None]:
        if self._is_halted:
            return None, NotTriedError()
        try:
            return self._work(item), None
        except BaseException as error:  # noqa: BLE001 - the thread that collects raises it again
            if not isinstance(error, ClientError | OSError) or isinstance(error, ENDING):
                self.halt()
            return None, error

    def collect(self) -> Iterator[Outcome[_Item, _Result]]:
        """Yield the outcomes in order; raises an error of a thread that is neither ours nor the system's."""
        waiting: dict[int, Outcome[_Item, _Result]] = {}
        for expected in range(len(self._items)):
            while expected not in waiting:
                number, result, error = self._done.get()
                waiting[number] = Outcome(self._items[number], result, _name_error(error))
            yield waiting.pop(expected)


def _name_error(error: BaseException | None) -> ClientError | None:
    if error is None or isinstance(error, ClientError):
        return error
    if isinstance(error, OSError):
        return ClientError(f"{error.filename or 'The system'}: {error.strerror or error}.")
    raise error


def report_failures(console: Console, failures: Sequence[tuple[str, ClientError]], *, total: int) -> int:
    """Say at the end which items failed and why, and return the exit code: theirs, if all have the same."""
    if not failures:
        return exits.DONE
    tried = [(name, error) for name, error in failures if not isinstance(error, NotTriedError)]
    console.note(*(f"cadastre: {name}: {error}" for name, error in tried))
    untried = len(failures) - len(tried)
    rest = f", {untried} of them not tried" if untried else ""
    console.note(f"cadastre: {len(failures)} of {total} failed{rest}; the same command continues.")
    codes = {exits.get_exit_code(error) for _, error in tried}
    return codes.pop() if len(codes) == 1 else exits.FAILED


def describe_failure(error: ClientError) -> dict[str, object]:
    """Return what the JSON result says about an item that failed."""
    return {"error": type(error).__name__, "detail": str(error), "exit_code": exits.get_exit_code(error)}
