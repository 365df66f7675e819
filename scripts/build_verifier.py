"""Builds dist/cadastre-verify.pyz: the verifier as one file that needs nothing but Python 3.11.

The same sources give the same bytes: files are stored in order, without compression and under one fixed time, so
whoever builds it anew can compare the SHA-256 that this prints.
"""

import hashlib
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCE = CHECKOUT / "registry" / "proof"
TARGET = CHECKOUT / "dist" / "cadastre-verify.pyz"
SHEBANG = b"#!/usr/bin/env python3\n"
TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip file can hold."""

# An older Python must be able to read this much, to say what it lacks.
MAIN = b"""import sys

if sys.version_info < (3, 11):
    sys.stdout.write("usage: this verifier needs Python 3.11 or newer\\n")
    sys.exit(3)

from registry.proof.__main__ import main

sys.exit(main(program="cadastre-verify.pyz"))
"""


def build_verifier(target: Path) -> str:
    """Write the file and return its SHA-256 in hexadecimal."""
    modules = {f"registry/proof/{path.name}": path.read_bytes() for path in SOURCE.glob("*.py")}
    members = {"__main__.py": MAIN, "registry/__init__.py": b""} | modules
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as stream:
        stream.write(SHEBANG)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, data in sorted(members.items()):
                archive.writestr(_describe_member(name), data)
    target.chmod(0o755)
    return hashlib.sha256(target.read_bytes()).hexdigest()


def _describe_member(name: str) -> zipfile.ZipInfo:
    """Return a member's entry, which says nothing of this machine."""
    member = zipfile.ZipInfo(name, TIME)
    member.create_system = 3
    member.external_attr = 0o100644 << 16
    return member


def main(arguments: Sequence[str]) -> int:
    """Build, at the path that is given or the usual one, and print the SHA-256 as sha256sum does."""
    target = Path(arguments[0]) if arguments else TARGET
    print(f"{build_verifier(target)}  {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
