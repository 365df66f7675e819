import json
import tracemalloc
from pathlib import Path

import pytest

from registry.proof.__main__ import main
from tests.registry.proof.nodes import Node, serve
from tests.registry.proof.vectors import load

CONTENT = (bytes(range(251)) * 5)[:1101]


@pytest.fixture
def files(tmp_path: Path):
    """Alice's file, its proofs, and the header that she trusts."""
    vector = load("proof", "valid-opened-details")
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "proof.json").write_text(vector["proof"], encoding="utf-8")
    (tmp_path / "closed.json").write_text(load("proof", "valid-closed-details")["proof"], encoding="utf-8")
    (tmp_path / "file.ots").write_bytes(bytes.fromhex(load("timestamp", "valid")["proof_hex"]))
    (tmp_path / "anchors").write_text(load("anchors", "valid")["anchors"], encoding="utf-8")
    headers = vector["headers"]
    return {path.name: str(path) for path in tmp_path.iterdir()} | {
        "header": f"--header=117:{headers['117']}",
        "recent": f"--header=17:{headers['17']}",
        "sha256": vector["sha256"],
        "registry": load("anchors", "known-registry")["registry"],
    }


def test_a_file_with_its_proof_document_is_valid(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    assert main(["verify", files["file"], files["proof.json"], files["header"], files["recent"]]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("valid: existed before block 117, whose miner dates it 2026-01-01T19:30:00Z\n")
    assert "record    number 2, kind 1 (upload)" in printed
    assert "made after block 17" in printed
    assert '"registrar": "Cadastre"' in printed


def test_without_the_cited_block_only_the_lower_bound_is_undecided(
    files: dict[str, str], capsys: pytest.CaptureFixture[str]
):
    assert main(["verify", files["file"], files["closed.json"], files["header"]]) == 0

    printed = capsys.readouterr().out
    assert "batch     number 1, undecided" in printed
    assert "details" not in printed


def test_a_file_with_its_timestamp_is_valid(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    assert main(["verify", files["file"], files["file.ots"], files["header"]]) == 0
    assert main(["verify", "--digest", files["sha256"], files["file.ots"], files["header"]]) == 0

    assert capsys.readouterr().out.count("valid: existed before block 117") == 2


def test_the_anchors_file_makes_a_record_canonical(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    arguments = ["verify", "--digest", files["sha256"], files["proof.json"], files["header"]]

    assert main([*arguments, "--anchors", files["anchors"]]) == 0
    assert main([*arguments, "--anchors", files["anchors"], "--json"]) == 0

    text, _, answer = capsys.readouterr().out.partition("{\n")
    assert f"canonical in the registry {files['registry']}, which the anchors file names: compare it" in text
    claims = json.loads("{" + answer)
    assert (claims["result"], claims["level"], claims["record"]["index"]) == ("valid", "canonical", 2)
    assert (claims["registry"], claims["registry_checked"]) == (files["registry"], False)


def test_the_registry_that_is_named_is_checked(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    arguments = ["verify", "--digest", files["sha256"], files["proof.json"], files["header"]]
    arguments += ["--anchors", files["anchors"], "--registry", files["registry"]]

    assert main(arguments) == 0
    assert main([*arguments, "--json"]) == 0

    text, _, answer = capsys.readouterr().out.partition("{\n")
    assert f"canonical in the registry {files['registry']}, which you named" in text
    claims = json.loads("{" + answer)
    assert (claims["level"], claims["registry"], claims["registry_checked"]) == ("canonical", files["registry"], True)


def test_the_anchors_file_of_another_registry_is_invalid(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    arguments = ["verify", "--digest", files["sha256"], files["proof.json"], files["header"]]

    assert main([*arguments, "--anchors", files["anchors"], "--registry", f"{files['registry']}0"]) == 1

    printed = capsys.readouterr().out
    assert printed == "invalid at step 10: The anchors file is another registry's. (RegistryMismatchError)\n"


def test_a_node_can_give_the_header(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    raw = {int(h): bytes.fromhex(v) for h, v in load("proof", "valid-opened-details")["headers"].items()}
    with serve(Node(raw, tip=122)) as node:
        assert main(["verify", files["file"], files["proof.json"], "--node", node.url, "--json"]) == 0
        node.tip = 121
        assert main(["verify", files["file"], files["proof.json"], "--node", node.url]) == 2

    assert "undecided: block 117 has 5 confirmations of 6 (HeaderUnavailableError)" in capsys.readouterr().out


def test_another_file_is_invalid_and_the_step_is_named(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    (tmp_path / "file").write_bytes(CONTENT[:-1] + b"\0")

    assert main(["verify", files["file"], files["proof.json"], files["header"]]) == 1
    assert main(["verify", files["file"], files["file.ots"], files["header"], "--json"]) == 1

    text, _, answer = capsys.readouterr().out.partition("{\n")
    assert text == "invalid at step 1: The proof is about another file. (SubjectMismatchError)\n"
    assert json.loads("{" + answer)["step"] == 1


def test_a_missing_header_is_undecided(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    assert main(["verify", files["file"], files["proof.json"], files["recent"]]) == 2
    assert main(["verify", files["file"], files["file.ots"], files["recent"], "--json"]) == 2

    assert '"step": null' in capsys.readouterr().out


def test_a_timestamp_by_a_hash_that_python_lacks_is_undecided(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = (tmp_path / "file.ots").read_bytes()
    (tmp_path / "file.ots").write_bytes(data[:32] + b"\x03" + bytes(20) + data[65:])
    monkeypatch.setitem(main.__globals__["read_timestamp"].__globals__["HASHES"], 3, ("no-such-hash", 20))

    assert main(["verify", files["file"], files["file.ots"], files["header"]]) == 2

    assert "cannot compute no-such-hash" in capsys.readouterr().out


def test_a_record_of_another_kind_is_named(files: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path):
    vector = load("proof", "valid-leaf-7-of-8")
    (tmp_path / "proof.json").write_text(vector["proof"], encoding="utf-8")

    header = f"--header=130:{vector['headers']['130']}"

    assert main(["verify", "--digest", vector["sha256"], files["proof.json"], header]) == 0
    assert "kind 7 (succession)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("proof.json", "larger than the read limit of 1048576 bytes"),
        ("file.ots", "larger than the read limit of 1048576 bytes"),
        ("anchors", "a line has more than 65536 bytes"),
    ],
)
def test_a_hundred_megabytes_are_refused_at_the_read_limit(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], name: str, refusal: str
):
    with Path(files[name]).open("r+b") as stream:
        if name == "anchors":
            # The first line names the registry; the second has no end.
            stream.truncate(len(stream.readline()))
        stream.truncate(100_000_000)
    arguments = ["verify", files["file"], files["file.ots" if name == "file.ots" else "proof.json"], files["header"]]
    tracemalloc.start()
    try:
        assert main(arguments + (["--anchors", files["anchors"]] if name == "anchors" else [])) == 1
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert f"{refusal} (ProofTooLargeError)" in capsys.readouterr().out
    assert peak_bytes < 8 * 2**20


def test_a_file_of_neither_form_is_invalid(files: dict[str, str], capsys: pytest.CaptureFixture[str]):
    assert main(["verify", files["file"], files["file"], files["header"]]) == 1

    assert "UnknownFormatError" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["verify"], ["sign"], ["verify", "proof.json", "header"], ["verify", "file", "proof.json"],
        ["verify", "file", "file", "proof.json", "header"],
        ["verify", "file", "proof.json", "--header", "1:00"],
        ["verify", "file", "proof.json", "header", "--node", "http://127.0.0.1:1"],
        ["verify", "file", "proof.json", "--node", "gopher://127.0.0.1"],
        ["verify", "file", "proof.json", "header", "header"],
        ["verify", "--digest", "zz", "proof.json", "header"],
        ["verify", "--digest", "00", "proof.json", "header"],
        ["verify", "--digest", "00", "file", "proof.json", "header"],
        ["verify", "no such file", "proof.json", "header"],
        ["verify", "file", "no such proof", "header"],
        ["verify", "file", "file.ots", "header", "--anchors", "anchors"],
        ["verify", "file", "proof.json", "header", "--anchors", "no such file"],
        ["verify", "file", "proof.json", "header", "--anchors", ""],
        ["verify", "file", "proof.json", "header", "--registry", "registry"],
        ["verify", "file", "proof.json", "header", "--anchors", "anchors", "--registry", ""],
        ["verify", "file", "proof.json", "header", "--anchors", "anchors", "--registry", "sha256"],
    ],
)  # fmt: skip
def test_wrong_usage_has_its_own_exit_code(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    assert main([files.get(argument, argument) for argument in arguments]) == 3

    assert capsys.readouterr().out.startswith("usage: ")


def test_the_arguments_are_the_processs_own_if_none_are_given(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["proof", "--json"])

    assert main() == 3

    assert json.loads(capsys.readouterr().out)["cause"] == "UsageError"
