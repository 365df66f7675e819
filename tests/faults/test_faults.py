"""SIGKILL before and after every commit and every call outside, for each part of the main job; every restart holds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS_MAX = 1_500


@pytest.mark.slow
@pytest.mark.own_engine
@pytest.mark.parametrize(
    "scenario",
    [
        *("payouts", "anchoring", "deposits", "settlement", "sealing", "submitting"),
        *("replacing", "toppingup", "regrowing", "succeeding"),
    ],
)
def test_every_restart_holds(scenario: str):
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", scenario],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-4000:]
    assert "every restart held" in done.stdout
