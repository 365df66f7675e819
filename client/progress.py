"""Progress bars, on standard error, where somebody looks at them."""

import sys
from types import TracebackType
from typing import NoReturn, Self

from tqdm import tqdm


class Progress:
    """Counts bytes, or another unit, towards a total; shown on a terminal or when it is asked for, and else silent."""

    def __init__(
        self,
        label: str,
        total_bytes: int | None,
        *,
        unit: str = "B",
        is_forced: bool = False,
        is_silent: bool = False,
    ) -> None:
        is_shown = not is_silent and (is_forced or sys.stderr.isatty())
        self._bar: tqdm[NoReturn] | None = None
        if is_shown:
            self._bar = tqdm(
                desc=label, total=total_bytes, unit=unit, unit_scale=True, unit_divisor=1024, file=sys.stderr
            )

    def move_to(self, done_bytes: int) -> None:
        """Show that so many bytes of the total are done; it may also go back."""
        if self._bar is not None:
            self._bar.n = done_bytes
            self._bar.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
