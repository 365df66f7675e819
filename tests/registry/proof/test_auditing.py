import json
import zipfile
from pathlib import Path

import pytest

from registry.proof.__main__ import main
from registry.proof.headers import parse_header
from tests.registry.proof.exports import write_export
from tests.registry.proof.mining import mine_regtest
from tests.registry.proof.vectors import load

VECTOR = load("export", "known-registry")
SOURCES = [f"--header={height}:{raw}" for height, raw in VECTOR["headers"].items()]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def export(tmp_path: Path) -> str:
    return str(write_export(VECTOR, tmp_path / "export"))


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    """Bob's archive: one proof of each form."""
    path = tmp_path / "proofs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.ots", bytes.fromhex(load("timestamp", "valid")["proof_hex"]))
        archive.writestr("b.proof.json", load("proof", "valid-opened-details")["proof"])
    return str(path)


def test_an_export_is_complete_to_its_last_anchor(export: str, capsys: Capture):
    assert main(["audit", export, *SOURCES]) == 0
    assert main(["audit", export, *SOURCES, "--registry", VECTOR["registry"]]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("valid: complete to anchor 2; later spends unchecked\n")
    assert "records   14 in 3 batches; nothing missing, nothing twice" in printed
    assert f"{VECTOR['registry']}, which the export names: compare it" in printed
    assert f"{VECTOR['registry']}, which you named" in printed
    assert "2 of 3 batches were made after a block that they cite" in printed


def test_an_export_is_audited_as_json(export: str, capsys: Capture):
    assert main(["audit", export, *SOURCES, "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert (answer["result"], answer["audited"], answer["records"]) == ("valid", "register", 14)
    assert [(source["source"], source["told"]) for source in answer["sources"]] == [("header that you gave", True)]


def test_what_fails_is_named_with_its_batch(export: str, capsys: Capture):
    (Path(export) / "batches" / "0000000001.leaves").write_bytes(bytes(5 * 137))

    assert main(["audit", export, *SOURCES]) == 1
    assert main(["audit", export, *SOURCES, "--json"]) == 1

    text, _, answer = capsys.readouterr().out.partition("{\n")
    assert text.startswith("invalid at step 4, batch 1: ")
    failure = json.loads("{" + answer)
    assert (failure["step"], failure["batch"], failure["cause"]) == (4, 1, "BatchPathError")


def test_without_a_source_the_exports_own_headers_count(export: str, capsys: Capture):
    assert main(["audit", export]) == 1
    assert "step 11: there is no headers.bin" in capsys.readouterr().out

    # They are no chain from a genesis block, so they say nothing.
    (Path(export) / "headers.bin").write_bytes(bytes.fromhex(VECTOR["headers"]["110"]))
    assert main(["audit", export]) == 2
    assert "HeadersStartError" in capsys.readouterr().out


def forge(folder: Path) -> str:
    """Bob's own chain under Alice's register: mined in a moment, with the anchors where he wants them."""
    export = write_export(VECTOR, folder / "forged")
    places = {int(height): raw for height, raw in VECTOR["headers"].items() if int(height) >= 110}
    roots = {height: parse_header(bytes.fromhex(raw)).merkle_root for height, raw in places.items()}
    data = mine_regtest(140, roots=roots)
    anchors = (export / "anchors.ndjson").read_text()
    for height, raw in places.items():
        anchors = anchors.replace(raw, data[height * 80 : height * 80 + 80].hex())
    (export / "anchors.ndjson").write_text(anchors)
    (export / "headers.bin").write_bytes(data)
    return str(export)


def test_a_chain_that_a_laptop_mined_is_not_taken_for_the_main_networks(tmp_path: Path, capsys: Capture):
    forged, known = forge(tmp_path), ["--registry", VECTOR["registry"]]

    for network in ([], ["--network", "main"]):
        assert main(["audit", forged, *known, *network]) == 2
        printed = capsys.readouterr().out
        assert printed.startswith("undecided: the headers file is of regtest, not of main: say --network regtest if")
    assert main(["audit", forged, *known, "--network", "regtest"]) == 0
    assert "  network   regtest\n" in capsys.readouterr().out


def test_a_forged_export_cannot_call_its_network_main(tmp_path: Path, capsys: Capture):
    forged = forge(tmp_path)
    head = Path(forged) / "register.json"
    head.write_text(head.read_text().replace("regtest", "main\\nvalid"))

    assert main(["audit", forged, "--network", "regtest"]) == 1

    assert capsys.readouterr().out == (
        "invalid at step 10: the network that register.json names does not begin with its genesis block "
        "(RegistryMismatchError)\n"
    )


def test_every_proof_of_an_archive_is_audited(bundle: str, capsys: Capture):
    header = f"--header=117:{load('proof', 'valid-opened-details')['headers']['117']}"

    assert main(["audit", bundle, header]) == 0
    assert main(["audit", bundle, header, "--json"]) == 0

    text, _, answer = capsys.readouterr().out.partition("{\n")
    assert text.startswith("valid: 2 proofs, every digest existed before its block\n")
    assert json.loads("{" + answer)["audited"] == "proofs"


def test_the_proof_of_a_folder_that_fails_is_named(tmp_path: Path, capsys: Capture):
    folder = tmp_path / "proofs"
    folder.mkdir()
    (folder / "bad.ots").write_bytes(b"a file of Bob's")

    assert main(["audit", str(folder), *SOURCES]) == 1
    assert main(["audit", str(folder), *SOURCES, "--json"]) == 1

    text, _, answer = capsys.readouterr().out.partition("{\n")
    assert text.startswith("invalid at step 0, file bad.ots: ")
    assert json.loads("{" + answer)["file"] == "bad.ots"


def test_wrong_usage_has_its_own_exit_code(export: str, bundle: str, capsys: Capture):
    for arguments in (
        [],
        [bundle],
        [bundle, *SOURCES, "--registry", VECTOR["registry"]],
        [export, *SOURCES, "--registry", "nothing"],
        ["no such file", *SOURCES],
    ):
        assert main(["audit", *arguments]) == 3

    assert capsys.readouterr().out.count("usage: ") == 5
