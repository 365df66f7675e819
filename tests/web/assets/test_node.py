"""Node's own tests of the browser's code, and the rules about its form that the linter does not have."""

import re
from pathlib import Path

import pytest

from scripts.build_assets import ASSETS
from tests.web.assets.conftest import RunNode

pytestmark = pytest.mark.own_engine

MODULE_LINES_MAX = 400
SOURCES = sorted([*ASSETS.glob("src/**/*.ts"), *ASSETS.glob("tests/**/*.ts"), *ASSETS.glob("bench/*.ts")])


def test_node_passes_every_test_of_the_browsers_code(run_node: RunNode):
    finished = run_node("run_tests.mjs")

    output = finished.stdout.decode()
    assert finished.returncode == 0, output + finished.stderr.decode()
    closing = re.fullmatch(r"(\d+) passed, 0 failed, 0 skipped", output.splitlines()[-1])
    assert closing is not None
    assert int(closing[1]) > 100


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ASSETS)))
def test_a_module_is_short_and_says_what_it_is_for(path: Path):
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    assert path.name.endswith(".test.ts") or text.startswith("/** ")
