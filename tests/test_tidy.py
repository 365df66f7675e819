"""The rules about the code's own form that no linter has: lengths of modules and functions, empty __init__ files."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
INIT_WITH_CODE = {"config/__init__.py"}


def list_modules() -> list[Path]:
    """Return every module of ours that git knows or would know, without migrations, which Django writes."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in listed if "/migrations/" not in name and (ROOT / name).exists()]


@pytest.mark.parametrize("path", list_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_is_for(path: Path):
    text = path.read_text()
    tree = ast.parse(text)
    name = str(path.relative_to(ROOT))

    assert len(text.splitlines()) <= MODULE_LINES_MAX
    if path.name.startswith("test_"):
        pass  # its name says what it tests
    elif path.name != "__init__.py":
        assert ast.get_docstring(tree), "no docstring"
    elif name not in INIT_WITH_CODE and path.parent.name != "models":
        assert not text.strip(), "not empty"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, node.name


def test_the_project_speaks_only_of_itself():
    command = ["git", "grep", "-nIE", r"/work/|/tmp/w/|\bTODO\b|\bFIXME\b", "--", ".", ":!tests/test_tidy.py"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stdout == ""


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in ROOT.glob("*/management/commands/*.py") if path.stem != "__init__")
)
def test_a_management_command_has_a_test_that_calls_it(name: str):
    assert any(f'call_command("{name}"' in path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
