"""The command against the real server, through a socket: what the double takes on trust."""

import json
import os
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from client.cli import main
from client.config import store_token, write_private_file
from client.exits import DONE, FAILED, NOT_SIGNED_IN, PAYMENT_REQUIRED
from client.kept_links import KeptLinks
from registry.services.records import register_blobs
from storage.models import Blob, Link
from tests.factories.users import make_secret, make_user

Capture = pytest.CaptureFixture[str]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def bob(live_server: LiveServer, home: Path) -> Path:
    """Sign Bob in at the real server."""
    store_token(home, live_server.url, make_secret(make_user("bob")))
    return home


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.flac"
    path.write_bytes(os.urandom(200_000))
    return path


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = main(list(map(str, arguments)))
    # What a worker does within seconds.
    register_blobs(now=timezone.now())
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def sign_out(home: Path) -> None:
    (home / "config.json").unlink()


def sign_in_as_carol(home: Path, live_server: LiveServer) -> None:
    sign_out(home)
    store_token(home, live_server.url, make_secret(make_user("carol")))


def test_many_files_and_a_large_one_come_back(tmp_path: Path, capsys: Capture):
    paths = [tmp_path / f"{number}.bin" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(os.urandom(10_000 * (number + 1)))
    paths[0].write_bytes(os.urandom(5_000_000))
    code, out, err = run(capsys, "put", *paths)
    assert code == DONE, err
    (tmp_path / "out").mkdir()
    code, _, err = run(capsys, "get", *out.split(), "-o", tmp_path / "out")
    assert code == DONE, err
    for path in paths:
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_terms_are_kept_listed_and_shown(song: Path, capsys: Capture):
    terms = ["--price-msat", "5", "--expires", "7d", "--transfers-max", "3"]
    code, out, err = run(capsys, "put", song, *terms)
    assert code == DONE, err
    (entry,) = json.loads(run(capsys, "ls", "--json")[1])["results"]
    assert entry["link"] == out.strip()
    assert (entry["name"], entry["size"], entry["state"]) == ("song.flac", 200_000, "open")
    assert (entry["price"], entry["transfers_max"], entry["transfers_left"]) == ({"amount_msat": 5}, 3, 3)
    code, out, err = run(capsys, "info", out.strip())
    assert code == DONE, err
    assert "Transfers left: 3." in out
    assert "Expires: " in out


def test_lists_more_links_than_a_page_has(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("client.api.LINKS_PER_PAGE", 2)
    paths = [tmp_path / f"{number}" for number in range(5)]
    for path in paths:
        path.write_text(path.name)
    assert run(capsys, "put", *paths)[0] == DONE
    names = [entry["name"] for entry in json.loads(run(capsys, "ls", "--json")[1])["results"]]
    assert sorted(names) == [path.name for path in paths]


def test_a_link_outlives_the_other_to_its_blob_and_the_last_takes_the_bytes_along(
    song: Path, tmp_path: Path, capsys: Capture
):
    first = run(capsys, "put", song)[1].strip()
    code, out, err = run(capsys, "link", first, "--transfers-max", "9")
    assert code == DONE, err
    second = out.strip()
    assert run(capsys, "rm", first)[0] == DONE
    assert run(capsys, "rm", first)[0] == DONE
    assert run(capsys, "get", first, "-o", tmp_path / "a")[0] == FAILED
    assert run(capsys, "get", second, "-o", tmp_path / "b")[0] == DONE
    assert (tmp_path / "b").read_bytes() == song.read_bytes()
    assert Blob.objects.count() == 1
    assert run(capsys, "rm", second)[0] == DONE
    assert run(capsys, "ls")[1] == ""


def test_carol_deletes_nothing_but_the_token_does(
    live_server: LiveServer, home: Path, song: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    (result,) = json.loads(run(capsys, "put", song, "--json")[1])["results"]
    (tmp_path / "token").write_text(result["deletion_token"])
    public = result["link"].partition("#")[0]
    monkeypatch.setenv("CADASTRE_HOME", str(tmp_path / "carol"))
    store_token(tmp_path / "carol", live_server.url, make_secret(make_user("carol")))
    assert run(capsys, "rm", public)[0] == NOT_SIGNED_IN
    assert Link.objects.get().deleted_at is None
    code, _, err = run(capsys, "rm", public, "--deletion-token-file", tmp_path / "token")
    assert code == DONE, err
    assert Link.objects.get().deleted_at is not None


def test_without_an_account_the_kept_token_deletes(home: Path, song: Path, capsys: Capture):
    link = run(capsys, "put", song)[1].strip()
    sign_out(home)
    code, _, err = run(capsys, "rm", link)
    assert code == DONE, err
    assert Link.objects.get().deleted_at is not None
    assert KeptLinks(home).list() == []


def test_an_anonymous_reader_uses_a_transfer_up_once(home: Path, song: Path, tmp_path: Path, capsys: Capture):
    link = run(capsys, "put", song, "--transfers-max", "1")[1].strip()
    sign_out(home)
    code, _, err = run(capsys, "get", link, "-o", tmp_path / "a")
    assert code == DONE, err
    assert (tmp_path / "a").read_bytes() == song.read_bytes()
    code, _, err = run(capsys, "get", link, "-o", tmp_path / "b")
    assert code == FAILED
    assert not (tmp_path / "b").exists()


def test_an_anonymous_transfer_goes_on_by_its_pass_and_is_counted_once(
    home: Path, song: Path, tmp_path: Path, capsys: Capture
):
    link = run(capsys, "put", song, "--transfers-max", "1")[1].strip()
    sign_out(home)
    (tmp_path / "out").mkdir()
    # The first attempt gets everything, but the disk gives part of it back.
    kept = tmp_path / "kept"
    states: dict[str, bytes] = {}

    def watch(path: Path, data: bytes) -> None:
        states[path.name] = data
        write_private_file(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("client.transfer_states.write_private_file", watch)
        assert run(capsys, "get", link, "-o", tmp_path / "first", "--keep-ciphertext", kept)[0] == DONE
    ((name, state),) = states.items()
    (tmp_path / "out" / name).write_bytes(state)
    (tmp_path / "out" / name).with_suffix(".part").write_bytes(kept.read_bytes()[:70_000])

    code, _, err = run(capsys, "get", link, "-o", tmp_path / "out")

    assert code == DONE, err
    assert (tmp_path / "out" / "song.flac").read_bytes() == song.read_bytes()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["song.flac"]


def test_a_price_is_asked_of_carol(live_server: LiveServer, home: Path, song: Path, tmp_path: Path, capsys: Capture):
    link = run(capsys, "put", song, "--price-msat", "5")[1].strip()
    sign_in_as_carol(home, live_server)
    assert run(capsys, "get", link, "-o", tmp_path / "a", "--price-max-msat", "5")[0] == PAYMENT_REQUIRED


def test_standard_input_and_output(
    song: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
):
    with song.open("rb") as stream, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", type("Input", (), {"buffer": stream}))
        assert main(["put", "-", "--name", "dump", "--padding"]) == DONE
    register_blobs(now=timezone.now())
    link = capfdbinary.readouterr().out.decode().strip()
    assert main(["get", link, "-o", "-"]) == DONE
    assert capfdbinary.readouterr().out == song.read_bytes()
