"""Runs a peer in an environment of its own below var/, so that its dependencies never meet ours."""

import json
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ENVIRONMENT = FOLDER.parent.parent / "var" / "bench" / "peers"


def install_peers() -> None:
    """Make the environment with the locked peers, unless it is there and up to date."""
    lock = FOLDER / "requirements.lock"
    installed = ENVIRONMENT / "requirements.lock"
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    print("Installing the peers ...", flush=True)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", lock],
        check=True,
    )
    installed.write_bytes(lock.read_bytes())


def run_peer(name: str, *arguments: str) -> float:
    """Run one of bench/peers/*.py in the peers' environment and return the seconds that it measured.

    Raises RuntimeError with its words if it fails.
    """
    command = [str(ENVIRONMENT / "bin" / "python"), str(FOLDER / f"{name}.py"), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise RuntimeError(f"{name} failed under {sys.executable}:\n{finished.stderr}")
    return float(json.loads(finished.stdout)["seconds"])
