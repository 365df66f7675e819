"""`make bench`: measures against peers and physical limits on this machine, and prints a table of ratios."""

import os
import platform
import sys

from bench import browser, client, headers, merkle, proofs, small_files, uploads
from bench.peers.run import install_peers
from bench.postgresql import measure_on_postgresql
from bench.rows import print_table

ON_POSTGRESQL = ("submissions", "delivery")
# A tenth of what `python -m bench.small_files` puts: whether anything grows shows in it as well.
SMALL_FILES = 1_000


def main() -> int:
    """Measure and print; a bar that is missed is shown, and is no error: machines differ."""
    install_peers()
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors. Ratios of medians, each pair in turn.\n")
    rows = [*merkle.measure(), *merkle.measure_peers(), *proofs.measure(), *headers.measure(), *uploads.measure()]
    for module in ON_POSTGRESQL:
        rows += measure_on_postgresql(module)
    print_table([*rows, *client.measure(), *small_files.measure(SMALL_FILES), *browser.measure()])
    return 0


if __name__ == "__main__":
    sys.exit(main())
