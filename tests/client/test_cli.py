"""The command from outside: what it prints, what it exits with, and what it never sends."""

import importlib
import io
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from client.cli import main
from client.config import store_token
from client.exits import DONE, FAILED, NOT_SIGNED_IN, PAYMENT_REQUIRED, UNAVAILABLE, UNDECIDED, USAGE
from registry.proof.documents import PROOF_BYTES_MAX
from tests.client.doubles import RECORD, TOKEN, Double

ROOT = Path(__file__).parents[2]
Capture = pytest.CaptureFixture[str]


def put(capsys: Capture, *arguments: object) -> str:
    assert main(["put", *map(str, arguments)]) == DONE
    return capsys.readouterr().out.strip()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "song.flac"
    path.parent.mkdir()
    path.write_bytes(b"la" * 50_000)
    return path


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("correct horse\n")
    return path


def load_builders() -> ModuleType:
    """Load the makers of proof vectors, which share no code with what they check and are a script's neighbours."""
    if "builders" not in sys.modules:
        sys.path.insert(0, str(ROOT / "fixtures" / "vectors"))
        try:
            importlib.import_module("builders")
        finally:
            sys.path.pop(0)
    return sys.modules["builders"]


def make_proof(double: Double, link: str) -> str:
    """Let the server anchor a link's blob in a batch of its own; return the header for the verifier."""
    builders = load_builders()
    info = double.links[link.partition("#")[0].rpartition("/")[2]]
    record = {"kind": 1, "sha256": info["sha256"].removeprefix("sha256:"), "length": info["length"]}
    record |= {"root": info["root"].removeprefix("sha256:"), "seal": info["seal"], "details_hash": "11" * 32}
    recent = builders.mine(bytes(32), 10)
    batch = builders.make_batch([record], seq=0, first_index=0, previous=bytes(32), recent=recent)
    transaction = builders.make_anchor(bytes(36), bytes.fromhex(batch["commitment"]))
    block = builders.make_block(transaction, height=110, index=1, count=2)
    leaf = builders.make_leaf(record)
    anchored = builders.Anchored([record], [leaf], batch, transaction, block, recent)
    double.proof = json.dumps(builders.make_document(anchored, 0)).encode()
    return f"110:{block['header']}"


def test_signs_up_and_in(double: Double, home: Path, password_file: Path, capsys: Capture):
    credentials = ["--password-file", str(password_file), "--server", double.url]
    assert main(["register", "bob", *credentials]) == DONE
    assert main(["login", "bob", *credentials]) == DONE
    config = home / "config.json"
    assert json.loads(config.read_text()) == {"server_url": double.url, "tokens": {double.url: TOKEN}}
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert TOKEN not in capsys.readouterr().out


def test_a_wrong_password_is_not_signed_in(double: Double, home: Path, tmp_path: Path, capsys: Capture):
    (tmp_path / "wrong").write_text("wrong\n")
    arguments = ["login", "bob", "--password-file", str(tmp_path / "wrong"), "--server", double.url]
    assert main(arguments) == NOT_SIGNED_IN
    assert capsys.readouterr().err == "cadastre: It is bad-credentials.\n"


def test_put_and_get_return_the_same_bytes(signed_in: Path, song: Path, tmp_path: Path, capsys: Capture):
    link = put(capsys, song)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/f/[0-9a-f-]{36}#1\.[A-Za-z0-9_-]{86}", link)
    assert main(["get", link, "-o", str(tmp_path)]) == DONE
    assert capsys.readouterr().out == f"{tmp_path / 'song.flac'}\n"
    assert (tmp_path / "song.flac").read_bytes() == song.read_bytes()


def test_a_folder_gives_one_link(double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture):
    (song.parent / "sub").mkdir()
    (song.parent / "sub" / "empty").touch()
    link = put(capsys, song.parent, "--pad")
    assert main(["get", link, "-o", str(tmp_path / "out")]) == DONE
    assert (tmp_path / "out" / "song.flac").read_bytes() == song.read_bytes()
    assert (tmp_path / "out" / "sub" / "empty").read_bytes() == b""
    assert len(double.links) == 1


def test_two_paths_give_two_links(signed_in: Path, song: Path, tmp_path: Path, capsys: Capture):
    (tmp_path / "b").write_text("b")
    assert len(put(capsys, song, tmp_path / "b").splitlines()) == 2


def test_the_server_never_learns_fragment_key_or_name(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = put(capsys, song)
    main(["info", link])
    main(["get", link, "-o", str(tmp_path)])
    main(["key", link])
    fragment = link.partition("#1.")[2]
    seen = "\n".join(double.seen) + "\n".join(body.decode("latin-1") for body in double.bodies)
    assert double.seen
    for secret in (fragment, fragment[:43], "song.flac", "flac"):
        assert secret not in seen


def test_a_locked_link_needs_its_password(
    signed_in: Path, song: Path, tmp_path: Path, password_file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    link = put(capsys, song, "--password-file", password_file)
    (tmp_path / "wrong").write_text("wrong")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["get", link, "-o", str(tmp_path)]) == USAGE
    assert main(["get", link, "-o", str(tmp_path), "--password-file", str(tmp_path / "wrong")]) == FAILED
    assert main(["get", link, "-o", str(tmp_path), "--password-file", str(password_file)]) == DONE
    assert (tmp_path / "song.flac").read_bytes() == song.read_bytes()


def test_nothing_is_paid_unless_somebody_agreed(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    link = put(capsys, song, "--price-msat", "1500")
    double.balance_msat = 2000
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["get", link, "-o", str(tmp_path)]) == PAYMENT_REQUIRED
    assert main(["get", link, "-o", str(tmp_path), "--price-max-msat", "1499"]) == PAYMENT_REQUIRED
    shown = capsys.readouterr().err
    assert "Price: 1500 msat per transfer." in shown
    assert "2.50 % fee to Cadastre (platform)" in shown
    assert "100.0000 % to bob (uploader)" in shown
    assert double.balance_msat == 2000
    assert main(["get", link, "-o", str(tmp_path), "--price-max-msat", "1500", "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["charged"] == {"amount_msat": 1500}
    assert double.balance_msat == 500


def test_without_funds_payment_is_required(signed_in: Path, song: Path, tmp_path: Path, capsys: Capture):
    link = put(capsys, song, "--price-msat", "1500")
    assert main(["get", link, "-o", str(tmp_path), "--price-max-msat", "1500"]) == PAYMENT_REQUIRED
    assert not (tmp_path / "song.flac").exists()


def test_the_token_goes_to_no_other_server(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = put(capsys, song)
    other = Double()
    other.links, other.manifests, other.blobs = double.links, double.manifests, double.blobs
    other.start()
    assert main(["get", link.replace(double.url, other.url), "-o", str(tmp_path)]) == PAYMENT_REQUIRED
    other.stop()
    assert other.seen
    assert TOKEN not in "".join(other.seen)


def test_what_netrc_says_goes_to_no_server(
    double: Double, home: Path, song: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login bob password netrc-secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    store_token(home, double.url, TOKEN)
    link = put(capsys, song)
    assert f"Bearer {TOKEN}" in double.seen[-1]
    double.seen.clear()
    (home / "config.json").unlink()
    assert main(["info", link]) == DONE
    assert double.seen
    assert "Authorization" not in "".join(double.seen)


def test_proxies_of_the_environment_are_still_used(
    double: Double, home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", double.url)
    monkeypatch.setattr("client.connections.ATTEMPTS_MAX", 1)
    assert main(["info", f"http://cadastre.invalid/f/{RECORD}#1.{'A' * 86}"]) != DONE
    assert double.seen[0].startswith(f"GET http://cadastre.invalid/api/v1/links/{RECORD} ")


ESCAPES = "\x1b[1A\x1b[2K\rPrice: free."


def test_a_payees_name_cannot_move_the_cursor(double: Double, signed_in: Path, song: Path, capsys: Capture):
    link = put(capsys, song, "--price-msat", "1500")
    for info in double.links.values():
        info["payees"][1]["name"] = f"bob{ESCAPES}"
    assert main(["info", link]) == DONE
    assert main(["get", link, "--price-max-msat", "1"]) == PAYMENT_REQUIRED
    shown = capsys.readouterr()
    for text in (shown.out, shown.err):
        assert "100.0000 % to bob\\x1b[1A\\x1b[2K\\rPrice: free. (uploader)\n" in text
        assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_problems_detail_cannot_move_the_cursor(
    double: Double, signed_in: Path, song: Path, options: list[str], capsys: Capture
):
    link = put(capsys, song, "--price-msat", "1500")
    double.problem_detail = f"{ESCAPES}\x9b2K\u202e\x7f ä"
    assert main(["get", link, "--price-max-msat", "1500", *options]) == PAYMENT_REQUIRED
    shown = capsys.readouterr().err.splitlines()[-1]
    assert shown.isprintable()
    assert shown.endswith("ä") or json.loads(shown)["detail"] == double.problem_detail


def test_a_link_is_read_from_standard_input(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    link = put(capsys, song)
    header = make_proof(double, link)
    commands = [
        ["info", "-"],
        ["key", "-"],
        ["get", "-", "-o", str(tmp_path)],
        ["proof", "-", "-o", str(tmp_path)],
        ["verify", str(song), str(tmp_path / f"{RECORD}.proof.json"), "--header", header, "--link", "-"],
    ]
    for command in commands:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{link}\n".encode())))
        assert main(command) == DONE, command
    assert (tmp_path / "song.flac").read_bytes() == song.read_bytes()


def test_a_link_and_its_password_are_two_lines_of_standard_input(
    signed_in: Path, song: Path, password_file: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    link = put(capsys, song, "--password-file", password_file)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{link}\ncorrect horse\n".encode())))
    assert main(["key", "-", "--password-file", "-"]) == DONE


def test_no_link_on_standard_input_is_wrong_usage(signed_in: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert main(["key", "-"]) == USAGE
    assert "link" in capsys.readouterr().err


def test_a_proof_longer_than_the_verifier_reads_is_refused(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    double.proof = b" " * (PROOF_BYTES_MAX + 1)
    assert main(["proof", RECORD, "-o", str(tmp_path)]) == FAILED
    assert f"longer than {PROOF_BYTES_MAX} bytes" in capsys.readouterr().err


def test_carol_is_told_to_sign_in(double: Double, home: Path, song: Path, capsys: Capture):
    assert main(["put", str(song), "--server", double.url]) == NOT_SIGNED_IN
    assert "cadastre login" in capsys.readouterr().err


def test_an_unreachable_server_is_unavailable(home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("client.connections.BACKOFF_MAX_S", 0.0)
    link = f"http://127.0.0.1:9/f/{RECORD}#1.{'A' * 86}"
    assert main(["info", link]) == UNAVAILABLE
    assert "Traceback" not in capsys.readouterr().err


def test_reads_are_tried_again(double: Double, signed_in: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("client.connections.BACKOFF_MAX_S", 0.0)
    double.unavailable = 2
    assert main(["balance"]) == DONE
    assert capsys.readouterr().out == "0 msat\n"
    assert len(double.seen) == 3


@pytest.mark.parametrize(
    "arguments",
    [[], ["put"], ["get", "https://host/f/x#1.a"], ["put", "/does/not/exist"], ["put", "x", "--price-msat", "-1"],
     ["put", "x", "--price-msat", "1.5"], ["put", "x", "--limit-rate", "fast"], ["unknown"], ["proof", "no-link"]],
)  # fmt: skip
def test_wrong_usage_has_its_exit_code(arguments: list[str], signed_in: Path, capsys: Capture):
    try:
        code: object = main(arguments)
    except SystemExit as error:
        code = error.code
    assert code == USAGE
    assert capsys.readouterr().err.startswith(("cadastre", "usage"))


def test_errors_are_json_on_request(signed_in: Path, capsys: Capture):
    assert main(["put", "/does/not/exist", "--json"]) == USAGE
    assert json.loads(capsys.readouterr().err) == {
        "error": "SourceError", "detail": "/does/not/exist is neither a file nor a folder.", "exit_code": USAGE,
    }  # fmt: skip


def test_a_damaged_configuration_is_a_clear_error(home: Path, capsys: Capture):
    home.mkdir()
    (home / "config.json").write_text("[]")
    assert main(["balance"]) == FAILED
    assert "sign in again" in capsys.readouterr().err


def test_deposit_prints_an_address(signed_in: Path, capsys: Capture):
    assert main(["deposit"]) == DONE
    assert capsys.readouterr().out == "bcrt1qalice\n"


def test_the_key_opens_the_blob_with_the_age_command(
    age_command: str, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = put(capsys, song, "--pad")
    kept = tmp_path / "blob.age"
    assert main(["get", link, "-o", str(tmp_path), "--keep-ciphertext", str(kept)]) == DONE
    capsys.readouterr()
    assert main(["key", link]) == DONE
    (tmp_path / "key").write_text(capsys.readouterr().out)
    done = subprocess.run([age_command, "-d", "-i", tmp_path / "key", kept], capture_output=True, check=True)
    assert done.stdout[: song.stat().st_size] == song.read_bytes()
    assert done.stdout[song.stat().st_size :].strip(b"\0") == b""


def test_proofs_not_ready_are_undecided(double: Double, signed_in: Path, tmp_path: Path, capsys: Capture):
    assert main(["proof", RECORD, "-o", str(tmp_path)]) == UNDECIDED
    assert list(tmp_path.glob("*.ots")) == []


def test_fetches_a_proof_and_verifies_blob_and_plaintext(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = put(capsys, song)
    header = make_proof(double, link)
    blob, proof = str(tmp_path / "blob.age"), str(tmp_path / f"{RECORD}.proof.json")
    assert main(["get", link, "-o", str(tmp_path), "--keep-ciphertext", blob]) == DONE

    assert main(["proof", link.partition("#")[0], "-o", str(tmp_path)]) == DONE

    assert (tmp_path / f"{RECORD}.ots").read_bytes() == b"ots"
    assert main(["verify", blob, proof, "--header", header]) == DONE
    assert main(["verify", blob, proof, "--header", header, "--link", link]) == DONE
    assert main(["verify", str(song), proof, "--header", header, "--link", link]) == DONE
    assert "seal      valid: this is 'song.flac' of the link" in capsys.readouterr().out
    assert main(["verify", str(song), proof, "--header", header, "--link", link, "--json"]) == DONE
    assert json.loads(capsys.readouterr().out)["link"] == {"seal": "valid", "name": "song.flac"}


def test_verifies_offline_with_a_kept_manifest(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = put(capsys, song)
    header = make_proof(double, link)
    (tmp_path / "proof.json").write_bytes(double.proof or b"")
    (tmp_path / "manifest").write_bytes(*double.manifests.values())
    told = len(double.seen)
    arguments = ["verify", str(song), str(tmp_path / "proof.json"), "--header", header, "--link", link]
    assert main([*arguments, "--manifest", str(tmp_path / "manifest")]) == DONE
    assert len(double.seen) == told


def test_refuses_other_plaintext_another_link_and_no_header(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = put(capsys, song)
    header = make_proof(double, link)
    (tmp_path / "proof.json").write_bytes(double.proof or b"")
    (tmp_path / "other").write_bytes(song.read_bytes()[:-1] + b"x")
    other_link = put(capsys, tmp_path / "other")
    proof = str(tmp_path / "proof.json")
    assert main(["verify", str(tmp_path / "other"), proof, "--header", header, "--link", link]) == FAILED
    assert main(["verify", str(song), proof, "--header", header, "--link", other_link]) == FAILED
    assert main(["verify", str(song), proof, "--header", header]) == FAILED
    assert main(["verify", str(song), proof, "--header", f"111:{header[4:]}", "--link", link]) == UNDECIDED


def test_the_how_to_page_finds_the_key_without_us(double: Double, signed_in: Path, song: Path, capsys: Capture):
    page = (ROOT / "docs/how-to/decrypt-without-us.md").read_text("utf-8")
    script = re.findall(r"<<'END'\n(.*?)\nEND\n", page, re.DOTALL)[0]
    link = put(capsys, song)
    assert main(["key", link]) == DONE
    identity = capsys.readouterr().out
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, input=link.partition("#1.")[2], capture_output=True, text=True, check=True)
    assert done.stdout == identity
