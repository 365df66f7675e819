"""Runs the tests on SQLite, then on PostgreSQL: one that is named, or one that this script starts for the run.

TEST_DATABASE_URL names a PostgreSQL server. Without it a cluster is made below var/ from the programs that are
installed (as root, Debian's package is installed where it is missing) and removed afterwards. TEST_POSTGRES=require
makes its absence a failure, TEST_POSTGRES=skip leaves it out.

The pages' tests in a browser take Debian's Chromium and chromedriver, which are installed in the same way.
TEST_CHROMIUM=require makes their absence a failure, TEST_CHROMIUM=skip leaves those tests out.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
INSTALLED = "/usr/lib/postgresql/*/bin/initdb"
VERSION_MIN = 15
COVERED_WHOLE = ("registry/proof/*", "registry/rules/*", "payouts/rules/*", "payouts/services/*", "payouts/selectors/*")
SYSTEM_USER = "postgres"


def main(arguments: Sequence[str]) -> int:
    """Run both halves and return the first exit status that is not 0."""
    install_browser()
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
    """Require that both engines' tests together take every branch of the verifier, the rules, and the money's services.

    Each engine has branches of its own, so one alone cannot take them all.
    """
    print("== Branch coverage of the verifier, the rules and the money", flush=True)
    command = [sys.executable, "-m", "coverage", "report", "--skip-covered", "--fail-under", "100"]
    return subprocess.run([*command, "--include", ",".join(COVERED_WHOLE)], cwd=CHECKOUT, check=False).returncode


def find_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, or None if none is new enough."""
    folders = [path.parent for path in Path("/").glob(INSTALLED.lstrip("/"))]
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    found = [(read_version(folder), folder) for folder in folders]
    new_enough = [pair for pair in found if pair[0] >= VERSION_MIN]
    return max(new_enough)[1] if new_enough else None


def read_version(folder: Path) -> int:
    """Return the major version of a folder's programs, 0 if they do not run."""
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    # It says: postgres (PostgreSQL) 15.18, and what packaged it.
    return int(said.split()[2].split(".")[0])


def install_programs() -> Path | None:
    """Install Debian's package where that is possible, and return its folder."""
    return find_programs() if install_packages("PostgreSQL", "postgresql") else None


def install_browser() -> None:
    """Install Debian's browser and its driver where they are missing and that is possible.

    The tests that need them say themselves that they were skipped, or fail where they are required.
    """
    has_both = shutil.which("chromium") and shutil.which("chromedriver")
    if not has_both and os.environ.get("TEST_CHROMIUM") != "skip":
        install_packages("Chromium", "chromium", "chromium-driver")


def install_packages(title: str, *names: str) -> bool:
    """Install packages as root on Debian, and return whether that was possible."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print(f"== Installing {title} from Debian's packages", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *names])
    return not any(
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode
        for command in commands
    )


@contextmanager
def started_cluster(programs: Path) -> Iterator[str]:
    """Make a cluster, start it on a loopback port, give its URL, and remove it at the end."""
    # PostgreSQL refuses to run as root, and its own user cannot read a checkout below /root.
    as_user = ["runuser", "-u", SYSTEM_USER, "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="cadastre-postgres-"))
    data = folder / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if as_user:
        shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100"
    try:
        # The cluster lives for one run of the tests, so it need not survive a power cut.
        run_quietly([*as_user, programs / "initdb", "-D", data, "-U", "cadastre", "-A", "trust", "-E", "UTF8", "-N"])
        run_quietly([*as_user, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start"])
        yield f"postgresql://cadastre@127.0.0.1:{port}/cadastre"
    finally:
        subprocess.run(
            [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)


def run_quietly(command: Sequence[str | Path]) -> None:
    """Run a command, and show its words only if it fails."""
    finished = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{command} failed:\n{finished.stdout}{finished.stderr}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
