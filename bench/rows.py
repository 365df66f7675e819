"""One row of the table: ours against a peer or a physical limit, in turn in the same run, as a ratio of medians."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """A measured row. `bar` is the highest ratio that is acceptable, None where there is none yet.

    Both figures are seconds, or what `unit` says.
    """

    name: str
    ours_s: float
    peer: str
    peer_s: float
    bar: float | None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Our time in times of the peer's."""
        return self.ours_s / self.peer_s

    @property
    def verdict(self) -> str:
        """Whether the bar is met."""
        if self.bar is None:
            return "no bar"
        return "met" if self.ratio <= self.bar else "MISSED"


def time_call(work: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def compare(
    name: str, ours: Callable[[], float], peer_name: str, peer: Callable[[], float], *, bar: float | None = None
) -> Row:
    """Measure both in turn, so that a machine that slows down slows both, and take the medians.

    Each callable does its work and returns the seconds that count.
    """
    ours_s, peer_s = [], []
    for _ in range(ROUNDS):
        ours_s.append(ours())
        peer_s.append(peer())
    return Row(name, statistics.median(ours_s), peer_name, statistics.median(peer_s), bar)


def print_table(rows: list[Row]) -> None:
    """Print the rows."""
    print(f"{'what':<52} {'ours':>9} {'peer':>9} {'ratio':>7} {'bar':>6}  peer")
    for row in rows:
        bar = "-" if row.bar is None else f"{row.bar:.2f}"
        times = f"{row.ours_s:>8.3f}{row.unit} {row.peer_s:>8.3f}{row.unit} {row.ratio:>7.3f}"
        print(f"{row.name:<52} {times} {bar:>6}  {row.peer}: {row.verdict}")
