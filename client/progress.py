"""Progress bars, on standard error, where somebody looks at them."""

import sys
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm

# Smaller files are done before anybody could read their names.
SHOWN_BYTES_MIN = 4 * 1024 * 1024


class Progress:
    """Counts bytes, or another unit, towards a total; shown on a terminal or when it is asked for, and else silent.

    `on_move` is told each time by how many bytes it moved, and may raise to end the work.
    """

    def __init__(
        self,
        label: str,
        total_bytes: int | None,
        *,
        unit: str = "B",
        is_forced: bool = False,
        is_silent: bool = False,
        position: int | None = None,
        on_move: Callable[[int], None] | None = None,
    ) -> None:
        is_shown = not is_silent and (is_forced or sys.stderr.isatty())
        self._on_move = on_move
        self._done_bytes = 0
        self._bar: tqdm[NoReturn] | None = None
        if is_shown:
            self._bar = tqdm(
                desc=label,
                total=total_bytes,
                unit=unit,
                unit_scale=True,
                unit_divisor=1024,
                file=sys.stderr,
                position=position,
                leave=position is None or position == 0,
            )

    def move_to(self, done_bytes: int) -> None:
        """Show that so many bytes of the total are done; it may also go back."""
        moved, self._done_bytes = done_bytes - self._done_bytes, done_bytes
        if self._bar is not None:
            self._bar.n = done_bytes
            self._bar.refresh()
        if self._on_move is not None:
            self._on_move(moved)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class Board:
    """The progress of many files: a bar for all of them on top, and below it one for each that is under way."""

    def __init__(
        self, total_bytes: int, *, count: int, is_forced: bool, is_silent: bool, check: Callable[[], None]
    ) -> None:
        self._is_forced, self._check, self._count = is_forced, check, count
        self._is_shown = not is_silent and (is_forced or sys.stderr.isatty())
        self._lock = Lock()
        self._places: set[int] = set()
        self._files_done = 0
        self._total: tqdm[NoReturn] | None = None
        if self._is_shown and count > 1:
            self._total = tqdm(
                desc=f"0 of {count} files",
                total=total_bytes,
                unit="B",
                unit_scale=True,
                unit_divisor=1024,
                file=sys.stderr,
                position=0,
            )

    def open(self, label: str, total_bytes: int) -> "BoardProgress":
        """Return the progress of one file."""
        return BoardProgress(self, label, total_bytes)

    def show(self, label: str, total_bytes: int, *, place: int) -> Progress:
        """Return the bar of one file, silent if nobody could read it."""
        is_silent = not self._is_shown or (self._total is not None and total_bytes < SHOWN_BYTES_MIN)
        return Progress(
            label,
            total_bytes,
            is_forced=self._is_forced,
            is_silent=is_silent,
            position=None if self._total is None else place,
            on_move=self.move_by,
        )

    def move_by(self, moved_bytes: int) -> None:
        """Show that so many more bytes of all files are done. Raises InterruptedRunError if the command was stopped."""
        self._check()
        if self._total is not None:
            with self._lock:
                self._total.update(moved_bytes)

    def take_place(self) -> int:
        """Return the highest free line below the total."""
        with self._lock:
            place = next(number for number in range(1, len(self._places) + 2) if number not in self._places)
            self._places.add(place)
            return place

    def leave_place(self, place: int) -> None:
        """Free a line, and count its file."""
        with self._lock:
            self._places.remove(place)
            self._files_done += 1
            if self._total is not None:
                self._total.set_description(f"{self._files_done} of {self._count} files", refresh=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._total is not None:
            self._total.close()


class BoardProgress:
    """One file's place on a board, from its beginning to its end."""

    def __init__(self, board: Board, label: str, total_bytes: int) -> None:
        self._board, self._label, self._total_bytes = board, label, total_bytes

    def __enter__(self) -> Progress:
        self._place = self._board.take_place()
        self._progress = self._board.show(self._label, self._total_bytes, place=self._place)
        return self._progress.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, traceback)
        self._board.leave_place(self._place)
