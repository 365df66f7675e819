"""`cadastre audit`: the verifier's own words and exit codes, and a bar while it works."""

import json
import zipfile
from pathlib import Path

import pytest

from client.cli import main
from client.exits import DONE, FAILED, UNDECIDED, USAGE
from tests.registry.proof.exports import write_export
from tests.registry.proof.vectors import load

VECTOR = load("export", "known-registry")
SOURCES = [f"--header={height}:{raw}" for height, raw in VECTOR["headers"].items()]
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


def test_counts_the_proofs_of_an_archive(tmp_path: Path, capsys: Capture):
    with zipfile.ZipFile(tmp_path / "proofs.zip", "w") as archive:
        archive.writestr("a.ots", bytes.fromhex(load("timestamp", "valid")["proof_hex"]))
    header = f"--header=117:{load('proof', 'valid-opened-details')['headers']['117']}"

    assert main(["audit", str(tmp_path / "proofs.zip"), header, "--progress"]) == DONE

    printed = capsys.readouterr()
    assert printed.out.startswith("valid: 1 proofs")
    assert "1.00 proofs" in printed.err
