"""`cadastre record`: what it sends, what it hands out, and what it does not believe."""

import hashlib
import io
import json
import subprocess
from pathlib import Path

import pytest

from client import submissions
from client.api import Api
from client.cli import main
from client.errors import DigestListError, ProtocolError, ServerUnavailableError, SourceError
from client.exits import DONE, FAILED, NOT_SIGNED_IN, UNAVAILABLE, USAGE
from client.folders import SourceFile
from client.progress import Progress
from client.submissions import NamedDigest, hash_sources, read_digests, submit
from tests.client.doubles import Double

Capture = pytest.CaptureFixture[str]


def make_digests(count: int) -> list[NamedDigest]:
    return [NamedDigest(hashlib.sha256(bytes([number])).digest(), None) for number in range(count)]


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    folder = tmp_path / "songs"
    (folder / "live").mkdir(parents=True)
    (folder / "live" / "b.flac").write_bytes(b"b" * 3_000_000)
    (folder / "a.flac").write_bytes(b"a")
    (folder / "empty").touch()
    return folder


def read_lines(capsys: Capture) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_receipt_is_printed_for_each_file_in_order(signed_in: Path, double: Double, songs: Path, capsys: Capture):
    single = songs / "a.flac"
    assert main(["record", str(songs), str(single)]) == DONE

    receipts = read_lines(capsys)
    names = ["songs/a.flac", "songs/empty", "songs/live/b.flac", str(single)]
    contents = [b"a", b"", b"b" * 3_000_000, b"a"]
    assert [receipt["name"] for receipt in receipts] == names
    assert [receipt["sha256"] for receipt in receipts] == [
        f"sha256:{hashlib.sha256(content).hexdigest()}" for content in contents
    ]
    [(body, _)] = double.submissions.values()
    assert b"flac" not in body
    assert b"bbb" not in b"".join(double.bodies)


def test_a_repeated_run_gets_the_same_receipts(signed_in: Path, double: Double, songs: Path, capsys: Capture):
    assert main(["record", str(songs)]) == DONE
    first = capsys.readouterr().out
    assert main(["record", str(songs)]) == DONE

    assert capsys.readouterr().out == first
    assert len(double.submissions) == 1


def test_takes_what_sha256sum_prints(signed_in: Path, double: Double, songs: Path, tmp_path: Path, capsys: Capture):
    files = [songs / "a.flac", songs / "empty"]
    listed = subprocess.run(["sha256sum", *files], check=True, capture_output=True).stdout
    path = tmp_path / "list"
    path.write_bytes(listed)

    assert main(["record", "--digests", str(path)]) == DONE

    receipts = read_lines(capsys)
    assert [receipt["name"] for receipt in receipts] == [str(file) for file in files]
    assert receipts[0]["sha256"] == f"sha256:{hashlib.sha256(b'a').hexdigest()}"


def test_takes_digests_from_standard_input(
    signed_in: Path, double: Double, monkeypatch: pytest.MonkeyPatch, capsys: Capture
):
    text = f"{'AB' * 32}\n\nsha256:{'cd' * 32}\r\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    assert main(["record", "--digests", "-", "--json"]) == DONE

    document = json.loads(capsys.readouterr().out)
    assert document["records"] == 2
    assert [receipt["sha256"] for receipt in document["receipts"]] == [f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"]
    assert "name" not in document["receipts"][0]


def test_writes_receipts_to_a_new_file_alone(
    signed_in: Path, double: Double, songs: Path, tmp_path: Path, capsys: Capture
):
    output = tmp_path / "receipts.ndjson"

    assert main(["record", str(songs), "-o", str(output), "--json"]) == DONE

    assert json.loads(capsys.readouterr().out) == {"records": 3, "output": str(output)}
    assert len([json.loads(line) for line in output.read_text().splitlines()]) == 3
    assert main(["record", str(songs), "-o", str(output)]) == FAILED
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_many_digests_are_sent_in_parts(api: Api, double: Double, progress: Progress, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(submissions, "PART_MAX", 2)
    digests = make_digests(5)

    receipts = list(submit(api, digests, progress))

    assert [receipt.digest for receipt in receipts] == digests
    assert [len(body.splitlines()) for body, _ in double.submissions.values()] == [2, 2, 1]
    assert list(submit(api, digests, progress)) == receipts
    assert len(double.submissions) == 3


def test_a_request_that_breaks_off_is_repeated(signed_in: Path, double: Double, songs: Path, capsys: Capture):
    double.unavailable, double.in_flight, double.cut_submissions = 1, 1, 1

    assert main(["record", str(songs)]) == DONE

    assert len(read_lines(capsys)) == 3
    assert len(double.submissions) == 1


def test_a_request_in_flight_is_not_a_refusal(api: Api, double: Double, progress: Progress):
    double.in_flight = 1

    with pytest.raises(ServerUnavailableError) as caught:
        list(submit(api, make_digests(1), progress))
    assert caught.value.retry_after_s == 1


def test_the_days_limit_is_not_waited_for(signed_in: Path, double: Double, songs: Path, capsys: Capture):
    double.submission_limit = 0

    assert main(["record", str(songs)]) == FAILED
    assert "submission-limit" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        {"leaf": "00" * 32},
        {"details": {"registrar": "another"}},
        {"details": {"amount": 1.5}},
        {"details": "none"},
        {"details_salt": "00" * 32},
        {"details_salt": "00"},
        {"sha256": "sha256:" + "00" * 32},
        {"record": "elsewhere"},
        {"record": 7},
        {"leaf": "no"},
    ],
)
def test_a_receipt_that_does_not_hold_is_not_handed_out(
    api: Api, double: Double, progress: Progress, change: dict[str, object]
):
    double.receipt_change = change

    with pytest.raises(ProtocolError):
        list(submit(api, make_digests(1), progress))


def test_missing_receipts_are_noticed(api: Api, double: Double, progress: Progress):
    list(submit(api, make_digests(2), progress))
    [(key, (body, answer))] = double.submissions.items()
    double.submissions[key] = body, answer.splitlines(keepends=True)[0]

    with pytest.raises(ProtocolError, match="1 receipts for 2"):
        list(submit(api, make_digests(2), progress))


@pytest.mark.parametrize("line", ["x", "ab" * 31, "ab" * 33, "zz" * 32, "ab" * 32 + "name"])
def test_a_line_that_is_no_digest_is_named(line: str):
    with pytest.raises(DigestListError, match="Line 2"):
        list(read_digests(io.BytesIO(f"{'ab' * 32}\n{line}\n".encode())))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], USAGE),
        (["missing"], USAGE),
        (["/dev/null"], USAGE),
        (["--digests", "missing"], FAILED),
        (["--digests", "/dev/null"], USAGE),
        (["--digests", "/dev/null", "/dev/null"], USAGE),
    ],
)
def test_refuses_what_cannot_be_recorded(signed_in: Path, double: Double, arguments: list[str], code: int):
    assert main(["record", *arguments]) == code
    assert not double.seen


def test_a_link_in_a_folder_is_refused(signed_in: Path, songs: Path):
    (songs / "link").symlink_to("a.flac")

    assert main(["record", str(songs)]) == USAGE


def test_a_file_that_cannot_be_read_is_named(signed_in: Path, songs: Path, capsys: Capture):
    gone = SourceFile("gone", songs / "gone", 1)
    with pytest.raises(SourceError, match="gone cannot be read"):
        list(hash_sources([gone], Progress("", 0, is_silent=True)))


def test_needs_a_token_and_a_server(home: Path, double: Double, songs: Path):
    assert main(["record", str(songs), "--server", double.url]) == NOT_SIGNED_IN


def test_says_that_the_server_is_not_there(signed_in: Path, double: Double, songs: Path, monkeypatch):
    monkeypatch.setattr("client.connections.BACKOFF_FIRST_S", 0.001)
    double.unavailable = 9

    assert main(["record", str(songs)]) == UNAVAILABLE
