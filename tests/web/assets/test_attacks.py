"""The page of published attacks names tests and vectors that exist, by words that stand in them."""

import re
from pathlib import Path

import pytest

from scripts.build_assets import ASSETS

pytestmark = pytest.mark.own_engine

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "explanation" / "attacks.md"
ROWS = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ") and "Shown by" not in line]
FILE = re.compile(r"`([a-z_/]+\.(?:test\.ts|py))`(?:: (\*.*?\*)(?=;| \||$))?")


def find_file(name: str) -> Path:
    return (ASSETS / "tests" / name) if name.endswith(".ts") else (ROOT / "tests" / name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: re.sub(r"\W+", "-", row[0])[:40])
def test_each_attack_is_met_by_tests_that_are_there(row: list[str]):
    evidence = row[-1].rstrip(" |")
    vectors = re.findall(r"`((?:blob|manifest|link)-[a-z0-9*-]+)`", evidence)
    files = FILE.findall(evidence)

    assert vectors or files, row
    for name in vectors:
        assert list((ROOT / "fixtures" / "vectors" / "encryption").glob(f"{name}.json")), name
    for name, titles in files:
        # A Python test's name is a sentence with underscores.
        text = find_file(name).read_text().replace("_", " ")
        for title in re.findall(r"\*([^*]+)\*", titles):
            assert title in text, (name, title)
