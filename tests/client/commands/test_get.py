"""`cadastre get` of many links and to standard output."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from client.cli import main
from client.connections import Server
from client.exits import DONE, FAILED, PAYMENT_REQUIRED, UNAVAILABLE, USAGE
from tests.client.doubles import TOKEN, Double

ROOT = Path(__file__).parents[3]
Capture = pytest.CaptureFixture[str]
Bytes = pytest.CaptureFixture[bytes]
PLAINTEXT = os.urandom(3 * 65536 + 5)


def make_link(double: Double, home: Path, path: Path, *options: str) -> str:
    """Put a file by the command, in a process of its own."""
    command = [sys.executable, "-m", "client.cli", "put", str(path), *options]
    environment = {**os.environ, "CADASTRE_HOME": str(home)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "song.flac"
    path.parent.mkdir()
    path.write_bytes(PLAINTEXT)
    return path


@pytest.fixture
def link(double: Double, signed_in: Path, song: Path) -> str:
    return make_link(double, signed_in, song)


def get(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = main(["get", *map(str, arguments)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_a_stream_has_the_files_bytes_and_nothing_else(link: str, capfdbinary: Bytes):
    assert main(["get", link, "-o", "-"]) == DONE
    shown = capfdbinary.readouterr()
    assert shown.out == PLAINTEXT
    assert b"song.flac: complete and checked" in shown.err


def test_a_stream_goes_on_after_a_cut(double: Double, link: str, capfdbinary: Bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("client.connections.BACKOFF_MAX_S", 0.0)
    double.cut_content_at = 100_001
    assert main(["get", link, "-o", "-"]) == DONE
    assert capfdbinary.readouterr().out == PLAINTEXT


def test_a_stream_skips_what_a_server_without_ranges_sends_again(
    double: Double, link: str, capfdbinary: Bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("client.connections.BACKOFF_MAX_S", 0.0)
    double.cut_content_at, double.ignores_range = 100_001, True
    assert main(["get", link, "-o", "-"]) == DONE
    assert capfdbinary.readouterr().out == PLAINTEXT


@pytest.mark.parametrize("chunk", range(4))
def test_a_stream_gets_only_the_chunks_before_a_changed_one(double: Double, link: str, capfdbinary: Bytes, chunk: int):
    ((link_id, blob),) = double.blobs.items()
    changed = bytearray(blob)
    changed[184 + chunk * 65552 + 2] ^= 1
    double.blobs[link_id] = bytes(changed)
    assert main(["get", link, "-o", "-"]) == FAILED
    shown = capfdbinary.readouterr()
    assert shown.out == PLAINTEXT[: chunk * 65536]
    assert b"complete" not in shown.err


@pytest.mark.parametrize("chunk", range(4))
def test_a_stream_that_ends_early_at_a_chunks_border_is_no_success(
    double: Double, link: str, capfdbinary: Bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("client.runs.Server", partial(Server, attempts_max=1))
    ((link_id, blob),) = double.blobs.items()
    double.blobs[link_id] = blob[: 184 + chunk * 65552]
    assert main(["get", link, "-o", "-"]) in {FAILED, UNAVAILABLE}
    shown = capfdbinary.readouterr()
    assert PLAINTEXT.startswith(shown.out)
    assert len(shown.out) <= chunk * 65536
    assert b"complete" not in shown.err


def test_a_reader_that_goes_away_ends_the_transfer(double: Double, signed_in: Path, tmp_path: Path):
    path = tmp_path / "large"
    path.write_bytes(os.urandom(2_000_000))
    link = make_link(double, signed_in, path)
    command = [sys.executable, "-m", "client.cli", "get", link, "-o", "-"]
    environment = {**os.environ, "CADASTRE_HOME": str(signed_in)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.read(10) == path.read_bytes()[:10]
        run.stdout.close()
        said = run.stderr.read()
        assert run.wait() == FAILED
    assert b"Nobody reads" in said
    assert b"Traceback" not in said


def test_a_folder_is_not_streamed_and_not_paid(double: Double, signed_in: Path, song: Path, capsys: Capture):
    link = make_link(double, signed_in, song.parent)
    code, out, err = get(capsys, link, "-o", "-")
    assert (code, out) == (USAGE, "")
    assert "no borders" in err
    assert double.transfers == []


def test_many_links_go_into_one_folder(double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture):
    paths = [song, *(song.with_name(f"{number}.bin") for number in range(5))]
    for number, path in enumerate(paths[1:]):
        path.write_bytes(os.urandom(70_000 * (number + 1)))
    links = [make_link(double, signed_in, path) for path in paths]
    (tmp_path / "out").mkdir()
    code, out, _ = get(capsys, *links, "-o", tmp_path / "out")
    assert code == DONE
    assert out.splitlines() == [str(tmp_path / "out" / path.name) for path in paths]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == {
        path.name: path.read_bytes() for path in paths
    }


def test_what_fails_of_many_is_told_at_the_end(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    good, other = make_link(double, signed_in, song), song.with_name("b")
    other.write_bytes(b"b")
    bad = make_link(double, signed_in, other, "--price-msat", "5")
    (tmp_path / "out").mkdir()
    code, out, err = get(capsys, bad, good, "-o", tmp_path / "out")
    assert code == PAYMENT_REQUIRED
    assert out.splitlines() == [str(tmp_path / "out" / "song.flac")]
    assert "1 of 2 failed" in err
    assert bad.partition("#")[0] in err
    assert bad.partition("#")[2] not in err
    code, out, _ = get(capsys, bad, good, "-o", tmp_path / "out", "--json")
    document = json.loads(out)
    assert code == FAILED
    assert [failure["error"] for failure in document["failures"]] == ["PriceNotAcceptedError", "OutputExistsError"]


def test_two_links_of_one_name_do_not_overwrite_each_other(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture
):
    links = [make_link(double, signed_in, song) for _ in range(2)]
    (tmp_path / "out").mkdir()
    code, _, err = get(capsys, *links, "-o", tmp_path / "out")
    assert code == FAILED
    assert "another of these links" in err
    assert (tmp_path / "out" / "song.flac").read_bytes() == PLAINTEXT
    assert len(double.transfers) == 1


@pytest.mark.parametrize(
    "options", [["-o", "-"], ["-o", "missing"], ["--keep-ciphertext", "kept"]], ids=["stdout", "file", "ciphertext"]
)
def test_several_links_need_a_folder(link: str, capsys: Capture, options: list[str]):
    assert get(capsys, link, link, *options)[0] == USAGE


def test_a_stream_keeps_no_ciphertext(link: str, capsys: Capture):
    assert get(capsys, link, "-o", "-", "--keep-ciphertext", "kept")[0] == USAGE


def test_the_rate_of_a_download_is_limited(link: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    waits: list[float] = []
    monkeypatch.setattr("client.jobs.Stop.sleep", lambda _, delay_s: waits.append(delay_s))
    assert get(capsys, link, "-o", tmp_path, "--limit-rate", "10k")[0] == DONE
    assert sum(waits) > 0
    assert (tmp_path / "song.flac").read_bytes() == PLAINTEXT


def test_an_anonymous_transfer_that_counts_is_continued_by_its_pass(
    double: Double, signed_in: Path, song: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("client.runs.Server", partial(Server, attempts_max=1))
    link = make_link(double, signed_in, song, "--transfers-max", "1")
    (signed_in / "config.json").unlink()
    double.uses_passes, double.cut_content_at = True, 100_000
    assert get(capsys, link, "-o", tmp_path)[0] == UNAVAILABLE
    (stored,) = tmp_path.glob(".cadastre-*.transfer")
    assert stored.stat().st_mode & 0o777 == 0o600
    code, _, err = get(capsys, link, "-o", tmp_path)
    assert code == DONE, err
    assert (tmp_path / "song.flac").read_bytes() == PLAINTEXT
    assert list(tmp_path.glob(".cadastre-*")) == []
    assert get(capsys, link, "-o", tmp_path / "again")[0] == FAILED
    assert TOKEN not in double.seen[-1]
