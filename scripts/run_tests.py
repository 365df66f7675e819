"""Runs the tests on SQLite, then on PostgreSQL: one that is named, or one that this script starts for the run.

TEST_DATABASE_URL names a PostgreSQL server. Without it a cluster is made below var/ from the programs that are
installed (as root, Debian's package is installed where it is missing) and removed afterwards. TEST_POSTGRES=require
makes its absence a failure, TEST_POSTGRES=skip leaves it out. btcd, on which the contract of Bitcoin nodes is tested,
is built into var/tools/ once where Go is on the machine; TEST_BTCD=require and TEST_BTCD=skip do the same for it.
OpenStack Swift, the S3-compatible store of the tests, is installed there too, from a lock file of its own;
TEST_SWIFT=require and TEST_SWIFT=skip do the same for it.

The pages' tests in a browser take Debian's Chromium and chromedriver, those of delivery Debian's nginx, installed as
PostgreSQL is. TEST_CHROMIUM=require and TEST_NGINX=require make their absence a failure, TEST_CHROMIUM=skip and
TEST_NGINX=skip leave those tests out.
"""

import os
import shutil
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
    "registry/tasks.py",
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

DEBIAN_PROGRAMS = (
    ("chromium", "chromium", "TEST_CHROMIUM"),
    ("chromedriver", "chromium-driver", "TEST_CHROMIUM"),
    ("nginx", "nginx-light", "TEST_NGINX"),
)
"""A program, the package that has it, and the variable that says whether its tests are required."""


def main(arguments: Sequence[str]) -> int:
    """Run both halves and return the first exit status that is not 0."""
    install_from_debian()
    if not install_btcd() or not install_swift():
        return 1
    print("== Tests on SQLite", flush=True)
    status = run_pytest(arguments, database_url=None)
    if status or os.environ.get("TEST_POSTGRES") == "skip":
        return status
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        print("== Tests on the PostgreSQL server that TEST_DATABASE_URL names", flush=True)
        return run_pytest(arguments, database_url=named) or (0 if arguments else check_coverage())
    programs = find_programs() or install_programs()
    if programs is None:
        is_required = os.environ.get("TEST_POSTGRES") == "require"
        word = "FAILED" if is_required else "SKIPPED"
        print(f"== {word}: tests on PostgreSQL: no server of version {VERSION_MIN} or newer is installed", flush=True)
        return 1 if is_required else 0
    with started_cluster(programs) as url:
        print("== Tests on PostgreSQL", flush=True)
        # A selection of tests cannot cover everything.
        return run_pytest(arguments, database_url=url) or (0 if arguments else check_coverage())


def install_btcd() -> bool:
    """Install btcd before the tests' processes start, which would do it at once; return whether the tests may begin."""
    wanted = os.environ.get("TEST_BTCD")
    if wanted == "skip":
        return True
    is_installed = subprocess.run([sys.executable, "-m", "tests.btcd"], cwd=CHECKOUT, check=False).returncode == 0
    if not is_installed:
        word = "FAILED" if wanted == "require" else "SKIPPED"
        print(f"== {word}: the contract of nodes on btcd: it is not installed, and Go could not build it", flush=True)
    return is_installed or wanted != "require"


def install_swift() -> bool:
    """Install the S3-compatible store likewise; return whether the tests may begin."""
    wanted = os.environ.get("TEST_SWIFT")
    if wanted == "skip":
        return True
    is_installed = subprocess.run([sys.executable, "-m", "tests.swift"], cwd=CHECKOUT, check=False).returncode == 0
    if not is_installed:
        word = "FAILED" if wanted == "require" else "SKIPPED"
        print(f"== {word}: tests of blobs in an S3-compatible store: Swift could not be installed", flush=True)
    return is_installed or wanted != "require"


def run_pytest(arguments: Sequence[str], *, database_url: str | None) -> int:
    """Run pytest over two processes, and add to the coverage that was measured before on another engine."""
    environment = dict(os.environ)
    # One process that is done takes over what the other has left: the tests that kill processes are slow.
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal"]
    command += ["--cov", "--cov-branch", "--cov-report="]
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


def install_from_debian() -> None:
    """Install Debian's browser with its driver, and its nginx, where they are missing and that is possible, as root.

    The tests that need them say themselves that they were skipped, or fail where they are required.
    """
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    missing = [
        package
        for program, package, choice in DEBIAN_PROGRAMS
        if shutil.which(program, path=path) is None and os.environ.get(choice) != "skip"
    ]
    if not missing or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print(f"== Installing {', '.join(missing)} from Debian's packages", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *missing]):
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
