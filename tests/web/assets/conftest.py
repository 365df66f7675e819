"""The browser's scripts under Node: built once for each of the tests' processes, and run as a command."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.build_assets import ASSETS, Node, find_node, install_packages

RunNode = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def node() -> Node:
    """Find Node with the locked packages. The test command has installed them, so their absence is a failure."""
    found = find_node()
    assert found is not None, "there is no Node: run make assets"
    assert install_packages(found) == 0
    return found


@pytest.fixture(scope="session")
def run_node(node: Node) -> Iterator[RunNode]:
    """Return a function that runs Node in the folder of the sources, with the tests built."""
    folder = f"build/tests-{os.getpid()}"

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [node.program, *(argument.replace("TESTS", folder) for argument in arguments)],
            cwd=ASSETS,
            env={**os.environ, "ASSETS_TESTS_OUTPUT": folder, **environment},
            capture_output=True,
            check=False,
            timeout=600,
        )

    built = run("build.mjs", "--tests")
    assert built.returncode == 0, built.stderr.decode()
    yield run
    shutil.rmtree(Path(ASSETS) / folder)
