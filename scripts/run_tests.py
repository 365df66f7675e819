"""Runs the tests on SQLite, then on PostgreSQL: one that is named, or one that this script starts for the run.

TEST_DATABASE_URL names a PostgreSQL server. Without it a cluster is made below var/ from the programs that are
installed (as root, Debian's package is installed where it is missing) and removed afterwards. TEST_POSTGRES=require
makes its absence a failure, TEST_POSTGRES=skip leaves it out.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from database.clusters import VERSION_MIN, find_programs, install_programs, started_cluster

CHECKOUT = Path(__file__).resolve().parent.parent
COVERED_WHOLE = (
    "registry/proof/*",
    "registry/rules/*",
    "registry/api/*",
    "registry/selectors/terms.py",
    "registry/services/policies.py",
    "payouts/api/*",
    "payouts/models/*",
    "payouts/rules/*",
    "payouts/selectors/*",
    "payouts/services/*",
    "payouts/tasks.py",
    "database/amounts.py",
    "config/env.py",
)


def main(arguments: Sequence[str]) -> int:
    """Run both halves and return the first exit status that is not 0."""
    print("== Tests on SQLite", flush=True)
    status = run_pytest(arguments, database_url=None)
    if status or os.environ.get("TEST_POSTGRES") == "skip":
        return status
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        print("== Tests on the PostgreSQL server that TEST_DATABASE_URL names", flush=True)
        return run_pytest(arguments, database_url=named) or (0 if arguments else check_coverage())
    programs = find_programs()
    if programs is None:
        print("== Installing PostgreSQL from Debian's packages, where that is possible", flush=True)
        programs = install_programs()
    if programs is None:
        is_required = os.environ.get("TEST_POSTGRES") == "require"
        word = "FAILED" if is_required else "SKIPPED"
        print(f"== {word}: tests on PostgreSQL: no server of version {VERSION_MIN} or newer is installed", flush=True)
        return 1 if is_required else 0
    with started_cluster(programs) as url:
        print("== Tests on PostgreSQL", flush=True)
        # A selection of tests cannot cover everything.
        return run_pytest(arguments, database_url=url) or (0 if arguments else check_coverage())


def run_pytest(arguments: Sequence[str], *, database_url: str | None) -> int:
    """Run pytest over two processes, and add to the coverage that was measured before on another engine."""
    environment = dict(os.environ)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--cov", "--cov-branch", "--cov-report="]
    if database_url is None:
        environment.pop("CADASTRE_DATABASE_URL", None)
    else:
        environment["CADASTRE_DATABASE_URL"] = database_url
        command += ["--cov-append", "-m", "not own_engine"]
    return subprocess.run([*command, *arguments], cwd=CHECKOUT, env=environment, check=False).returncode


def check_coverage() -> int:
    """Require that both engines' tests together take every branch of the verifier, the rules, and all that moves money.

    Each engine has branches of its own, so one alone cannot take them all.
    """
    print("== Branch coverage of the verifier, the rules and the money", flush=True)
    command = [sys.executable, "-m", "coverage", "report", "--skip-covered", "--fail-under", "100"]
    return subprocess.run([*command, "--include", ",".join(COVERED_WHOLE)], cwd=CHECKOUT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
