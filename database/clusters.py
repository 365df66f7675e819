"""A PostgreSQL cluster of one's own, from installed programs, for the time of a test run or a measurement."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

INSTALLED = "/usr/lib/postgresql/*/bin/initdb"
VERSION_MIN = 15
SYSTEM_USER = "postgres"
START_TRIES = 5


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
    """Install Debian's package where that is possible, and return its folder, else None."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "postgresql"]):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            return None
    return find_programs()


@contextmanager
def started_cluster(programs: Path) -> Iterator[str]:
    """Make a cluster, start it on a loopback port, give its URL, and remove it at the end."""
    # PostgreSQL refuses to run as root, and its own user cannot read a checkout below /root.
    as_user = ["runuser", "-u", SYSTEM_USER, "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="cadastre-postgres-"))
    data = folder / "data"
    if as_user:
        shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
    try:
        run_quietly([*as_user, programs / "initdb", "-D", data, "-U", "cadastre", "-A", "trust", "-E", "UTF8", "-N"])
        port = start_server([*as_user, programs / "pg_ctl", "-D", data, "-w", "-l", folder / "log"], folder)
        yield f"postgresql://cadastre@127.0.0.1:{port}/cadastre"
    finally:
        subprocess.run(
            [*as_user, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            check=False,
        )
        shutil.rmtree(folder, ignore_errors=True)


def start_server(pg_ctl: Sequence[str | Path], folder: Path) -> int:
    """Start a cluster on a free loopback port and return it.

    Between the look for a free port and the start, another process may take the port: then another one is tried.
    """
    for tries_left in reversed(range(START_TRIES)):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        # The cluster lives for one run, so it need not survive a power cut.
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=100"
        started = subprocess.run([*pg_ctl, "-o", options, "start"], cwd="/", stdout=subprocess.DEVNULL, check=False)
        if started.returncode == 0:
            return port
        sys.stderr.write(f"PostgreSQL did not start on port {port}; {tries_left} tries are left\n")
    raise SystemExit(f"PostgreSQL does not start:\n{(folder / 'log').read_text(encoding='utf-8')}")


def run_quietly(command: Sequence[str | Path]) -> None:
    """Run a command, and show its words only if it fails."""
    finished = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(f"{command} failed:\n{finished.stdout}{finished.stderr}")
