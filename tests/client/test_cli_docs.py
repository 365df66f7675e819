"""The command's reference page, and what the command does not import."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from client.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_documented(name: str, capsys: Capture):
    page = (ROOT / "docs/reference/cadastre-command.md").read_text("utf-8")
    with pytest.raises(SystemExit):
        main([name, "--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert f"`cadastre {name}" in page
    assert [option for option in sorted(options) if option not in page] == []


def test_imports_no_django():
    packages = "{'django', 'celery', 'rest_framework'}"
    script = f"import sys, client.cli; sys.exit(bool({packages} & {{n.partition('.')[0] for n in sys.modules}}))"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0
