"""The script of a million records, with a thousand, and how it measures a stage."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.million import run_measured

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.own_engine
def test_a_thousand_records_go_all_the_way():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CADASTRE_")}

    finished = subprocess.run(
        [sys.executable, "-m", "bench.million", "1100"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("1,100 records on ")
    assert finished.stdout.count(" MB\n") == 9
    assert "Everything holds" in finished.stdout


def test_a_stage_is_measured_and_heard():
    script = "import sys; data = bytes(50_000_000); print('said'); sys.exit(3)"

    stage, status, printed = run_measured("stage", ["-c", script], os.environ)

    assert (status, printed) == (3, "said\n")
    assert stage.peak_mb > 50
    assert 0 < stage.seconds < 60
