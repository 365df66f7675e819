"""SIGKILL before and after every commit and every call outside, for each part of the main job; every restart holds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS_MAX = 1_500

pytestmark = pytest.mark.slow


def drive(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the driver in its own process, on the engine that these tests run on."""
    return subprocess.run(
        [sys.executable, "-m", "tests.faults", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_restart_holds(name: str):
    done = drive(name)

    assert done.returncode == 0, done.stderr[-4000:]
    said = re.fullmatch(rf"{name}: killed at each of (\d+) points, and every restart held\n", done.stdout)
    assert said is not None, done.stdout
    assert int(said[1]) >= SCENARIOS[name].points_min > 1


def test_a_driver_whose_hooks_do_not_apply_fails():
    done = drive("sealing", "--without-points")

    assert done.returncode == 1
    points_min = SCENARIOS["sealing"].points_min
    assert f"killed at 0 points only, where {points_min} are known" in done.stderr
    assert done.stdout == ""
