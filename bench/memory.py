"""How much memory a piece of work adds, measured in a process of its own: `python -m bench.memory WORK COUNT`."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.leaves import make_leaves
from bench.rows import Row
from registry.proof.merkle import merkle_levels

CHECKOUT = Path(__file__).resolve().parent.parent
STATUS = Path("/proc/self/status")
MEGA = 10**6


def prepare_tree(count: int) -> Callable[[], object]:
    """Make so many leaves, which do not count, and return the work that does."""
    leaves = make_leaves(count)
    return lambda: merkle_levels(leaves)


WORKS: dict[str, Callable[[int], Callable[[], object]]] = {"tree": prepare_tree}


def measure_memory(work: str, *, count: int, name: str, limit_mb: int) -> Row:
    """Return the row of a work's added memory against a limit, both in MB."""
    command = [sys.executable, "-m", "bench.memory", work, str(count)]
    said = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout
    return Row(name, float(said), f"the limit of {limit_mb} MB", limit_mb, bar=1.0, unit="M")


def main(arguments: Sequence[str]) -> int:
    """Do a work and print by how many MB the process was larger at its peak than before."""
    work = WORKS[arguments[0]](int(arguments[1]))
    if STATUS.exists():
        before_bytes = read_status_bytes("VmRSS")
        result = work()
        added_bytes = read_status_bytes("VmHWM") - before_bytes
    else:
        # Elsewhere Python counts what it has allocated itself.
        tracemalloc.start()
        result = work()
        added_bytes = tracemalloc.get_traced_memory()[1]
    del result
    print(f"{added_bytes / MEGA:.1f}")
    return 0


def read_status_bytes(field: str, *, process: str = "self") -> int:
    """Return a size that Linux says about a process: VmRSS is now, VmHWM the most there was."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
