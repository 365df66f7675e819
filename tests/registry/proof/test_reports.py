"""What a stranger wrote is quoted, and never printed as it is."""

import io
import json
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.__main__ import main
from registry.proof.errors import UsageError
from registry.proof.reports import escape_text, print_json, print_lines, report_error
from tests.registry.proof.exports import write_export
from tests.registry.proof.vectors import load

SPOOF = "a\nvalid: complete\r\x1b[2J\u202e\u2028\x85\x7f"
QUOTED = r"a\nvalid: complete\r\x1b[2J\u202e\u2028\x85\x7f"
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
    assert stream.buffer.getvalue() == b"Gr\\xfc\\xdfe\nusage: \\u0141 (UsageError)\n"  # type: ignore[attr-defined]
