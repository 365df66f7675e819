"""What a stranger wrote is quoted, and never printed as it is."""

import argparse
import errno
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.__main__ import COMMANDS, main
from registry.proof.errors import UsageError
from registry.proof.reports import escape_text, print_json, print_lines, report_error
from tests.registry.proof.exports import write_export
from tests.registry.proof.vectors import load

SPOOF = "a\nvalid: complete\r\x1b[2J\u202e\u2028\x85\x7f"
QUOTED = r"a\nvalid: complete\r\x1b[2J\u202e\u2028\x85\x7f"
ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]


def test_the_name_of_an_archives_member_is_quoted(tmp_path: Path, capsys: Capture):
    with zipfile.ZipFile(tmp_path / "proofs.zip", "w") as archive:
        archive.writestr(SPOOF, b"a file of Bob's")
    arguments = ["audit", str(tmp_path / "proofs.zip"), f"--header=110:{load('export', 'valid')['headers']['110']}"]

    assert main(arguments) == 1
    printed = capsys.readouterr().out
    assert printed.startswith(f"invalid at step 0, file {QUOTED}: ")
    assert printed.count("\n") == 1

    assert main([*arguments, "--json"]) == 1
    printed = capsys.readouterr().out
    assert json.loads(printed)["file"] == SPOOF
    assert printed.replace("\n", "").isascii()
    assert printed.replace("\n", "").isprintable()


def test_the_names_of_unknown_fields_are_quoted(tmp_path: Path, capsys: Capture):
    vector = load("export", "valid")
    export = write_export(vector, tmp_path / "export")
    head = json.loads((export / "register.json").read_text())
    (export / "register.json").write_text(json.dumps(head | {SPOOF: 1}))

    assert main(["audit", str(export), f"--header=110:{vector['headers']['110']}"]) == 1

    printed = capsys.readouterr().out
    assert f"register.json has unknown fields: {QUOTED} (MalformedDocumentError)" in printed
    assert printed.count("\n") == 1


def test_a_path_is_quoted(capsys: Capture):
    assert main(["verify", "file", "proof", "--headers", SPOOF]) == 3

    printed = capsys.readouterr().out
    assert printed.startswith(f"usage: cannot read {QUOTED}: ")
    assert printed.count("\n") == 1


def test_a_path_that_the_system_refuses_is_wrong_usage(capsys: Capture):
    assert main(["audit", "a" * 5000, "--header", "1:00"]) == 3
    assert main(["audit", "a" * 5000, "--header", "1:00", "--json"]) == 3

    printed = capsys.readouterr().out
    assert printed.startswith("usage: aaaa")
    assert "File name too long" in printed


class FailingCommand:
    """A command that a fault of Python's or ours ends."""

    HELP = "fail"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true")

    def run(self, _arguments: argparse.Namespace) -> int:
        raise self._error


@pytest.mark.parametrize("error", [RecursionError("a\nvalid"), MemoryError(), KeyError("height"), UnicodeError("x")])
def test_a_fault_of_the_verifier_is_no_result(error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: Capture):
    monkeypatch.setitem(COMMANDS, "verify", FailingCommand(error))

    assert main(["verify"]) == 70

    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"the verifier failed: {type(error).__name__}: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EIO, "Input/output error", "a.leaves"),
        OSError("odd"),
    ],
)
def test_what_the_system_refuses_meanwhile_is_wrong_usage(
    error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: Capture
):
    monkeypatch.setitem(COMMANDS, "verify", FailingCommand(error))

    assert main(["verify"]) == 3

    assert (
        capsys.readouterr().out == f"usage: {error.filename or 'the system'}: {error.strerror or 'odd'} (UsageError)\n"
    )


PROVED = load("timestamp", "valid")


@pytest.fixture
def verdicts(tmp_path: Path) -> list[tuple[list[str], int]]:
    """Commands that end as valid, invalid, undecided and wrong usage."""
    (tmp_path / "file.ots").write_bytes(bytes.fromhex(PROVED["proof_hex"]))
    right = f"--header=117:{PROVED['headers']['117']}"
    command = ["verify", str(tmp_path / "file.ots"), "--digest"]
    return [
        ([*command, PROVED["sha256"], right], 0),
        ([*command, "00" * 32, right], 1),
        ([*command, PROVED["sha256"], right.replace("117:", "118:")], 2),
        ([*command, PROVED["sha256"]], 3),
    ]


def run_into(command: list[str], output: int) -> tuple[int, bytes]:
    done = subprocess.run(
        [sys.executable, "-m", "registry.proof", *command], stdout=output, stderr=subprocess.PIPE, cwd=ROOT, check=False
    )
    return done.returncode, done.stderr


def test_that_nobody_reads_changes_no_verdict(verdicts: list[tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch):
    for command, code in verdicts:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            assert run_into(command, writer) == (code, b"")
            with monkeypatch.context() as patch, os.fdopen(os.dup(writer), "w") as stream:
                patch.setattr(sys, "stdout", stream)
                assert main(command) == code
        finally:
            os.close(writer)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_verdict_that_cannot_be_written_is_none(
    verdicts: list[tuple[list[str], int]], monkeypatch: pytest.MonkeyPatch
):
    for command, _ in verdicts:
        with Path("/dev/full").open("w") as full:
            assert run_into(command, full.fileno()) == (3, b"")
        with monkeypatch.context() as patch, Path("/dev/full").open("w") as stream:
            patch.setattr(sys, "stdout", stream)
            assert main(command) == 3


@given(st.text())
def test_every_line_stays_one_line_of_printable_letters(text: str):
    quoted = escape_text(text)

    assert quoted.isprintable()
    assert quoted == text or not text.isprintable()


@given(st.dictionaries(st.text(), st.text()))
def test_json_is_printable_and_says_the_same(document: dict[str, str]):
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed)
        print_json(document)

    assert printed.getvalue().replace("\n", "").isprintable()
    assert json.loads(printed.getvalue()) == document


def test_letters_that_the_outputs_encoding_lacks_are_quoted(monkeypatch: pytest.MonkeyPatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)

    print_lines(["Grüße"])
    assert report_error(UsageError("Ł"), is_json=False) == 3

    stream.flush()
    assert stream.buffer.getvalue() == b"Gr\\xfc\\xdfe\nusage: \\u0141 (UsageError)\n"
