"""`cadastre put` of many paths and of standard input, and what it leaves behind."""

import hashlib
import io
import json
import os
import sys
from pathlib import Path

import pytest

from client.cli import main
from client.exits import DONE, FAILED, UNAVAILABLE, USAGE
from client.kept_links import KeptLinks
from client.links import open_link, parse_link
from client.manifest import decrypt_manifest
from tests.client.doubles import Double

Capture = pytest.CaptureFixture[str]


def make_files(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(hashlib.sha256(str(number).encode()).digest() * (number + 1))
    return paths


def put(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = main(["put", *map(str, arguments)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def feed(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def fetch(link: str, output: Path) -> bytes:
    assert main(["get", link, "-o", str(output)]) == DONE
    return output.read_bytes()


@pytest.mark.parametrize("extensions", ["creation,checksum", "creation,creation-with-upload,checksum"])
@pytest.mark.parametrize("jobs", [1, 5])
def test_links_come_in_the_paths_order_and_open_their_files(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, jobs: int, extensions: str
):
    double.extensions = extensions
    paths = make_files(tmp_path / "in", 12)
    code, out, err = put(capsys, *paths, "--jobs", jobs)
    assert (code, err) == (DONE, "")
    for path, link in zip(paths, out.splitlines(), strict=True):
        assert fetch(link, tmp_path / f"out-{path.name}") == path.read_bytes()
    requests = [line.split()[0] for line in double.seen if "/uploads" in line.split()[1]]
    assert requests.count("PATCH") == (0 if "with" in extensions else 12)
    assert requests.count("HEAD") == 0
    assert requests.count("OPTIONS") == 1


def test_a_path_that_fails_leaves_the_others_and_the_same_command_continues(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    paths = make_files(tmp_path / "in", 4)
    bad_length = 184 + paths[2].stat().st_size + 16
    double.refused_creations = {bad_length}
    code, out, err = put(capsys, *paths)
    assert code == FAILED
    first = out.splitlines()
    assert len(first) == 3
    assert f"{paths[2]}: It is upload-too-large." in err
    assert "1 of 4 failed" in err
    double.refused_creations = set()

    code, out, err = put(capsys, *paths)

    assert code == DONE
    assert [line for number, line in enumerate(out.splitlines()) if number != 2] == first
    assert len(double.links) == 4
    assert list((signed_in / "uploads").iterdir()) == []


def test_a_run_that_ended_well_is_forgotten(double: Double, signed_in: Path, tmp_path: Path, capsys: Capture):
    paths = make_files(tmp_path / "in", 2)
    _, first, _ = put(capsys, *paths)
    _, second, _ = put(capsys, *paths)
    assert not set(first.split()) & set(second.split())
    assert len(double.links) == 4


def test_a_done_path_that_changed_since_the_failure_gets_another_link_and_key(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    paths = make_files(tmp_path / "in", 2)
    double.refused_creations = {184 + paths[1].stat().st_size + 16}
    _, first, _ = put(capsys, *paths)
    double.refused_creations = set()
    paths[0].write_bytes(bytes(paths[0].stat().st_size))
    code, out, err = put(capsys, *paths)
    assert code == DONE
    assert "encrypted afresh" in err
    fresh = out.splitlines()[0]
    assert open_link(parse_link(fresh)).secret != open_link(parse_link(first.strip())).secret
    assert fetch(fresh, tmp_path / "out") == paths[0].read_bytes()


def test_a_done_path_whose_link_was_deleted_since_gets_another(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    paths = make_files(tmp_path / "in", 2)
    double.refused_creations = {184 + paths[1].stat().st_size + 16}
    _, first, _ = put(capsys, *paths)
    double.refused_creations = set()
    assert main(["rm", first.strip()]) == DONE
    capsys.readouterr()
    code, out, _ = put(capsys, *paths)
    assert code == DONE
    assert first.strip() not in out
    assert fetch(out.splitlines()[0], tmp_path / "out") == paths[0].read_bytes()


def test_failures_and_results_are_one_document(double: Double, signed_in: Path, tmp_path: Path, capsys: Capture):
    paths = make_files(tmp_path / "in", 3)
    double.refused_creations = {184 + paths[0].stat().st_size + 16}
    code, out, _ = put(capsys, *paths, "--json")
    document = json.loads(out)
    assert code == FAILED
    assert [entry["path"] for entry in document["results"]] == [str(path) for path in paths[1:]]
    assert document["failures"] == [
        {
            "path": str(paths[0]),
            "error": "RequestRejectedError",
            "detail": "It is upload-too-large.",
            "exit_code": FAILED,
        }
    ]


def test_nothing_is_begun_once_the_server_is_away(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("client.connections.BACKOFF_MAX_S", 0.0)
    paths = make_files(tmp_path / "in", 9)
    double.unavailable = 10**6
    code, out, err = put(capsys, *paths, "--jobs", 1)
    assert (code, out) == (UNAVAILABLE, "")
    assert "9 of 9 failed, 8 of them not tried" in err


def test_one_path_that_cannot_be_put_is_found_before_anything_is_sent(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    paths = make_files(tmp_path / "in", 2)
    (tmp_path / "empty").touch()
    code, out, err = put(capsys, *paths, tmp_path / "empty")
    assert (code, out) == (USAGE, "")
    assert "not one byte" in err
    assert double.seen == []


def test_a_folder_with_more_names_than_a_manifest_holds_is_refused_at_once(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(4800):
        (folder / f"{number:0100}").write_bytes(b"x")
    code, _, err = put(capsys, folder)
    assert code == USAGE
    assert "put its folders one by one" in err
    assert double.seen == []


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "./a"]])
def test_a_path_named_twice_is_wrong_usage(
    signed_in: Path, tmp_path: Path, capsys: Capture, paths: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("a")
    assert put(capsys, *paths)[0] == USAGE


def test_terms_reach_the_server_and_the_document(double: Double, signed_in: Path, tmp_path: Path, capsys: Capture):
    (path,) = make_files(tmp_path / "in", 1)
    terms = ["--price-msat", "7", "--expires", "2040-01-01T00:00:00Z", "--transfers-max", "3"]
    code, out, _ = put(capsys, path, *terms, "--json")
    (result,) = json.loads(out)["results"]
    assert code == DONE
    assert (result["expires_at"], result["transfers_max"]) == ("2040-01-01T00:00:00Z", 3)
    assert len(result["deletion_token"]) == 43
    (info,) = double.links.values()
    assert (info["expires_at"], info["transfers_max"]) == ("2040-01-01T00:00:00Z", 3)


@pytest.mark.parametrize("change", [{"expires_at": None}, {"transfers_max": 4}, {"expires_at": "soon"}])
def test_a_server_that_makes_the_link_without_its_limits_is_an_error(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, change: dict[str, object]
):
    (path,) = make_files(tmp_path / "in", 1)
    double.link_change = change
    code, out, err = put(capsys, path, "--expires", "1d", "--transfers-max", 3)
    assert (code, out) == (FAILED, "")
    assert "expir" in err


def test_other_terms_than_the_unfinished_ones_are_another_upload(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    paths = make_files(tmp_path / "in", 2)
    double.refused_creations = {184 + paths[1].stat().st_size + 16}
    _, first, _ = put(capsys, *paths, "--expires", "1d")
    double.refused_creations = set()
    _, same, _ = put(capsys, paths[0], "--expires", "1d")
    assert same == first
    double.refused_creations = {184 + paths[1].stat().st_size + 16}
    put(capsys, *paths, "--expires", "1d")
    double.refused_creations = set()
    _, other, err = put(capsys, paths[0], "--expires", "2d")
    assert other != same
    assert "encrypted afresh" in err


def test_what_opens_and_deletes_a_link_is_kept_before_it_is_printed(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    paths = make_files(tmp_path / "in", 2)
    _, out, _ = put(capsys, *paths)
    kept = KeptLinks(signed_in).list()
    assert sorted(entry.link for entry in kept) == sorted(out.split())
    for entry in kept:
        token = entry.get_deletion_token()
        assert token is not None
        assert double.tokens[entry.id] == hashlib.sha256(token).hexdigest()
    assert {entry.name: entry.size for entry in kept} == {path.name: path.stat().st_size for path in paths}


def test_a_locked_link_is_kept_locked(signed_in: Path, tmp_path: Path, capsys: Capture):
    (path,) = make_files(tmp_path / "in", 1)
    (tmp_path / "password").write_text("correct horse\n")
    _, out, _ = put(capsys, path, "--password-file", tmp_path / "password")
    (entry,) = KeptLinks(signed_in).list()
    assert entry.link == out.strip()
    assert parse_link(entry.link).is_locked


@pytest.mark.parametrize("size", [1, 65536, 200_000, 9_000_000])
@pytest.mark.parametrize("extensions", ["creation,checksum", "creation,creation-with-upload,checksum"])
def test_standard_input_becomes_a_file(
    double: Double,
    signed_in: Path,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    extensions: str,
):
    double.extensions = extensions
    data = os.urandom(size)
    feed(monkeypatch, data)
    code, out, _ = put(capsys, "-", "--name", "dump.tar")
    assert code == DONE
    assert fetch(out.strip(), tmp_path / "dump.tar") == data
    (entry,) = KeptLinks(signed_in).list()
    assert (entry.name, entry.size) == ("dump.tar", size)
    assert list((signed_in / "uploads").iterdir()) == []


def test_standard_input_is_padded_too(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    feed(monkeypatch, b"x" * 70_001)
    _, out, _ = put(capsys, "-", "--name", "x", "--padding")
    link = open_link(parse_link(out.strip()))
    manifest = decrypt_manifest(double.manifests[link.id], link.secret)
    assert (manifest.files[0].size, manifest.padding) == (70_001, 71_680 - 70_001)
    assert fetch(out.strip(), tmp_path / "x") == b"x" * 70_001


@pytest.mark.parametrize(
    "arguments",
    [["-"], ["-", "a", "--name", "x"], ["a", "--name", "x"], ["-", "--name", "x/y"], ["-", "--name", ".."],
     ["-", "--name", "x", "--password-file", "-"]],
)  # fmt: skip
def test_standard_input_needs_one_name_and_itself_alone(
    double: Double, signed_in: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
):
    feed(monkeypatch, b"data")
    assert put(capsys, *arguments)[0] == USAGE
    assert double.links == {}


def test_nothing_on_standard_input_is_refused(
    double: Double, signed_in: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    feed(monkeypatch, b"")
    assert put(capsys, "-", "--name", "x")[0] == USAGE
    assert double.links == {}


def test_a_creation_that_broke_off_with_its_bytes_begins_another_upload(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("client.connections.BACKOFF_MAX_S", 0.0)
    double.extensions += ",creation-with-upload"
    double.cut_creations = 1
    (path,) = make_files(tmp_path / "in", 1)
    code, out, _ = put(capsys, path)
    assert code == DONE
    assert fetch(out.strip(), tmp_path / "out") == path.read_bytes()


def test_progress_shows_the_whole_and_each_large_file(
    signed_in: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("client.progress.SHOWN_BYTES_MIN", 64)
    paths = make_files(tmp_path / "in", 3)
    code, out, err = put(capsys, *paths, "--progress")
    assert code == DONE
    assert len(out.splitlines()) == 3
    assert "3 of 3 files" in err
    assert "2.bin" in err
    assert "0.bin" not in err
