"""Installs btcd, the independent full node of the contract tests, into var/tools/ of this checkout.

It is built by Go from its published source, which Go's checksum database vouches for. `python -m tests.btcd` installs
it where Go is; the exit code says whether it is there.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VERSION = "v0.25.0"
FOLDER = CHECKOUT / "var" / "tools" / f"btcd-{VERSION}"


def find_btcd() -> Path | None:
    """Return the program, or None if it is not installed."""
    program = FOLDER / "btcd"
    return program if program.exists() else None


def install_btcd() -> Path | None:
    """Install the program where Go is and it is missing; return it, or None if that is not possible."""
    go = shutil.which("go")
    if find_btcd() is None and go is not None:
        print(f"== Building btcd {VERSION}", flush=True)
        command = [go, "install", f"github.com/btcsuite/btcd@{VERSION}"]
        finished = subprocess.run(
            command, env={**os.environ, "GOBIN": str(FOLDER)}, cwd="/", capture_output=True, text=True, check=False
        )
        if finished.returncode:
            print(finished.stderr, flush=True)
    return find_btcd()


if __name__ == "__main__":
    sys.exit(install_btcd() is None)
