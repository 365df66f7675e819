"""`cadastre audit`: the verifier's own words and exit codes, and a bar while it works."""

import argparse
import errno
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from client.cli import COMMANDS, main
from client.exits import DONE, FAILED, FAULT, UNDECIDED, USAGE
from client.runs import Run
from tests.registry.proof.exports import write_export
from tests.registry.proof.vectors import load

VECTOR = load("export", "known-registry")
SOURCES = [f"--header={height}:{raw}" for height, raw in VECTOR["headers"].items()]
ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CADASTRE_HOME", str(tmp_path / "home"))


def test_says_what_an_export_proves_and_shows_progress(tmp_path: Path, capsys: Capture):
    export = write_export(VECTOR, tmp_path / "export")

    assert main(["audit", str(export), *SOURCES, "--registry", VECTOR["registry"], "--progress"]) == DONE

    printed = capsys.readouterr()
    assert printed.out.startswith("valid: complete to anchor 2; later spends unchecked\n")
    assert "1.87k/1.87k" in printed.err


def test_prints_json_and_no_bar(tmp_path: Path, capsys: Capture):
    export = write_export(VECTOR, tmp_path / "export")

    assert main(["audit", str(export), *SOURCES, "--json"]) == DONE

    printed = capsys.readouterr()
    assert json.loads(printed.out)["records"] == 14
    assert printed.err == ""


def test_has_the_verifiers_exit_codes(tmp_path: Path, capsys: Capture):
    export = write_export(load("export", "record-changed"), tmp_path / "export")

    assert main(["audit", str(export), *SOURCES]) == FAILED
    assert main(["audit", str(export), SOURCES[1]]) == UNDECIDED
    assert main(["audit", str(tmp_path / "no such file"), *SOURCES]) == USAGE

    assert capsys.readouterr().out.startswith("invalid at step 4, batch 1: ")


def test_what_the_system_refuses_is_wrong_usage(tmp_path: Path, capsys: Capture):
    assert main(["audit", "a" * 5000, *SOURCES]) == USAGE
    assert main(["verify", str(tmp_path / "file"), "a" * 5000, *SOURCES, "--link", "-"]) == USAGE

    assert "File name too long" in capsys.readouterr().out


class FailingCommand:
    """A command that a fault of Python's or ours ends."""

    HELP = "fail"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Have none."""

    def run(self, _run: Run) -> int:
        raise self._error


def test_a_fault_of_a_command_that_verifies_does_not_say_invalid(monkeypatch: pytest.MonkeyPatch, capsys: Capture):
    for name in ("verify", "audit", "balance"):
        monkeypatch.setitem(COMMANDS, name, FailingCommand(KeyError("a\x1b[2Jvalid")))

    assert [main(["verify"]), main(["audit"])] == [FAULT, FAULT]
    with pytest.raises(KeyError):
        main(["balance"])

    assert "\x1b" not in capsys.readouterr().err


def test_an_error_of_the_system_fails_but_is_wrong_usage_where_failed_says_invalid(
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("verify", "audit", "balance"):
        monkeypatch.setitem(COMMANDS, name, FailingCommand(OSError(errno.EIO, "Input/output error")))

    assert [main([name]) for name in ("verify", "audit", "balance")] == [USAGE, USAGE, FAILED]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_that_nobody_reads_changes_no_verdict(tmp_path: Path, options: list[str]):
    changed = write_export(load("export", "record-changed"), tmp_path / "changed")
    export = write_export(VECTOR, tmp_path / "export")
    for path, expected in ((export, DONE), (changed, FAILED)):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "client.cli", "audit", str(path), *SOURCES, *options]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (expected, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_verdict_that_cannot_be_written_is_none(tmp_path: Path):
    command = [sys.executable, "-m", "client.cli", "audit", str(write_export(VECTOR, tmp_path / "export")), *SOURCES]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=ROOT, check=False)

    assert done.returncode == USAGE
    assert b"No space left on device" in done.stderr


def test_counts_the_proofs_of_an_archive(tmp_path: Path, capsys: Capture):
    with zipfile.ZipFile(tmp_path / "proofs.zip", "w") as archive:
        archive.writestr("a.ots", bytes.fromhex(load("timestamp", "valid")["proof_hex"]))
    header = f"--header=117:{load('proof', 'valid-opened-details')['headers']['117']}"

    assert main(["audit", str(tmp_path / "proofs.zip"), header, "--progress"]) == DONE

    printed = capsys.readouterr()
    assert printed.out.startswith("valid: 1 proofs")
    assert "1.00 proofs" in printed.err
