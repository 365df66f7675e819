"""What the demo prints: stages, steps with their time, and the values that they found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

INDENT = "      "


class Report:
    """Prints as it goes, one line for a step, and keeps count of the stages that ran."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._step = 0
        self.stages: list[str] = []

    def stage(self, letter: str, title: str) -> None:
        """Begin a stage."""
        self.stages.append(f"{letter} ({title})")
        print(f"\n{letter}. {title}", flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Time a step: its title comes first, so that a long one is seen to run."""
        self._step += 1
        began_s = time.monotonic()
        print(f" {self._step:3}  {title}", flush=True)
        yield
        print(f"{INDENT}done in {time.monotonic() - began_s:.1f} s", flush=True)

    def value(self, name: str, value: object) -> None:
        """Print a value that a step found."""
        print(f"{INDENT}{name:<22} {value}", flush=True)

    def progress(self, done: int, total: int, what: str) -> None:
        """Print how far a long step is."""
        print(f"{INDENT}{done:>4} of {total} {what}", flush=True)

    def finish(self) -> None:
        """Print which stages ran, and the time of all."""
        print(f"\nRan {', '.join(self.stages)} in {time.monotonic() - self._started_s:.1f} s. Everything held.")
