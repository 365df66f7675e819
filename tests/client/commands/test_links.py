"""`cadastre ls`, `rm` and `link`: the life of a link after it was made."""

import json
from pathlib import Path

import pytest

from client.cli import main
from client.exits import DONE, FAILED, NOT_SIGNED_IN, USAGE
from client.kept_links import KeptLinks
from client.links import open_link, parse_link
from tests.client.doubles import RECORD, Double

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    code = main(list(map(str, arguments)))
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def put(capsys: Capture, folder: Path, name: str, *options: str) -> str:
    (folder / name).write_text(name * 10)
    code, out, _ = run(capsys, "put", folder / name, *options)
    assert code == DONE
    return out.strip()


@pytest.fixture
def link(signed_in: Path, tmp_path: Path, capsys: Capture) -> str:
    return put(capsys, tmp_path, "song.flac")


def get_id(link: str) -> str:
    return link.partition("#")[0].rpartition("/")[2]


def test_lists_all_pages_with_the_names_that_are_known_here(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture
):
    links = [put(capsys, tmp_path, f"{number}.txt", "--price-msat", str(number)) for number in range(5)]
    KeptLinks(signed_in).remove(server=double.url, link_ids=[get_id(links[2])])
    code, out, _ = run(capsys, "ls")
    rows = out.splitlines()
    assert code == DONE
    assert len(rows) == 5
    assert [f"{4 - place}.txt" in row for place, row in enumerate(rows)] == [True, True, False, True, True]
    assert "(key not here)" in rows[2]
    assert not any("#1." in row for row in rows)


def test_keys_are_shown_on_request_alone(link: str, capsys: Capture):
    assert link in run(capsys, "ls", "--links")[1]
    (entry,) = json.loads(run(capsys, "ls", "--json")[1])["results"]
    assert (entry["link"], entry["name"], entry["state"]) == (link, "song.flac", "open")


def test_limits_are_listed(signed_in: Path, tmp_path: Path, capsys: Capture):
    put(capsys, tmp_path, "a", "--expires", "2040-01-01T00:00:00Z", "--transfers-max", "3")
    assert "until 2040-01-01T00:00Z  3 left" in run(capsys, "ls")[1]


def test_a_list_follows_no_address_to_another_server(double: Double, signed_in: Path, tmp_path: Path, capsys: Capture):
    for number in range(3):
        put(capsys, tmp_path, str(number))
    double.next_address = "http://elsewhere.invalid/?cursor=2&limit=1"
    assert len(run(capsys, "ls")[1].splitlines()) == 3


@pytest.mark.parametrize("address", ["http://x/", "http://x/?cursor=", "http://x/?cursor=0"])
def test_a_list_without_an_end_is_an_error(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, address: str
):
    for number in range(3):
        put(capsys, tmp_path, str(number))
    double.next_address = address
    assert run(capsys, "ls")[0] == FAILED


def test_deletes_by_link_by_id_and_twice(double: Double, signed_in: Path, tmp_path: Path, capsys: Capture):
    links = [put(capsys, tmp_path, str(number)) for number in range(3)]
    code, out, _ = run(capsys, "rm", links[0], get_id(links[1]))
    assert code == DONE
    assert out.splitlines() == [f"Deleted: {get_id(link)}" for link in links[:2]]
    assert list(double.links) == [get_id(links[2])]
    assert [entry.link for entry in KeptLinks(signed_in).list()] == [links[2]]
    assert run(capsys, "rm", links[0])[0] == DONE


def test_the_key_of_a_link_to_delete_is_not_sent(double: Double, link: str, capsys: Capture):
    run(capsys, "rm", link)
    assert link.partition("#1.")[2] not in "".join(double.seen)


def test_without_an_account_the_kept_token_deletes(double: Double, signed_in: Path, link: str, capsys: Capture):
    (signed_in / "config.json").unlink()
    assert run(capsys, "rm", link)[0] == DONE
    assert double.links == {}


def test_a_token_from_a_file_deletes_on_another_machine(
    double: Double, signed_in: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a").write_text("a")
    (result,) = json.loads(run(capsys, "put", tmp_path / "a", "--json")[1])["results"]
    (tmp_path / "token").write_text(result["deletion_token"] + "\n")
    monkeypatch.setenv("CADASTRE_HOME", str(tmp_path / "elsewhere"))
    public = result["link"].partition("#")[0]
    assert run(capsys, "rm", public)[0] == NOT_SIGNED_IN
    assert run(capsys, "rm", public, "--deletion-token-file", tmp_path / "token")[0] == DONE
    assert double.links == {}


def test_carol_with_a_wrong_token_deletes_nothing(
    double: Double, signed_in: Path, link: str, tmp_path: Path, capsys: Capture
):
    (tmp_path / "token").write_text("A" * 43)
    assert run(capsys, "rm", link, "--deletion-token-file", tmp_path / "token")[0] == NOT_SIGNED_IN
    assert len(double.links) == 1
    assert len(KeptLinks(signed_in).list()) == 1


@pytest.mark.parametrize("text", ["A" * 42, "A" * 44, "?" * 43, "A"])
def test_a_malformed_token_is_wrong_usage(signed_in: Path, link: str, tmp_path: Path, capsys: Capture, text: str):
    (tmp_path / "token").write_text(text)
    assert run(capsys, "rm", link, "--deletion-token-file", tmp_path / "token")[0] == USAGE


def test_what_was_not_deleted_is_told_at_the_end(double: Double, link: str, capsys: Capture, home: Path):
    double.unavailable = 0
    (home / "config.json").unlink()
    unknown = f"{double.url}/f/{RECORD}"
    code, out, err = run(capsys, "rm", link, unknown)
    assert code == NOT_SIGNED_IN
    assert out == f"Deleted: {get_id(link)}\n"
    assert "1 of 2 failed" in err


def test_another_link_to_the_same_blob_has_its_own_terms(double: Double, link: str, tmp_path: Path, capsys: Capture):
    code, out, _ = run(capsys, "link", link, "--price-msat", "9", "--expires", "7d", "--transfers-max", "2")
    assert code == DONE
    other = out.strip()
    assert get_id(other) != get_id(link)
    assert other.partition("#")[2] == link.partition("#")[2]
    info = double.links[get_id(other)]
    assert (info["price"], info["transfers_max"]) == ({"amount_msat": 9}, 2)
    assert run(capsys, "rm", link)[0] == DONE
    double.balance_msat = 9
    assert run(capsys, "get", other, "-o", tmp_path / "out", "--price-max-msat", "9")[0] == DONE
    assert (tmp_path / "out").read_text() == "song.flac" * 10


def test_another_link_has_a_deletion_token_of_its_own(double: Double, link: str, capsys: Capture):
    other = json.loads(run(capsys, "link", link, "--json")[1])
    assert double.tokens[other["id"]] != double.tokens[get_id(link)]


def test_the_same_link_is_locked_and_opened_without_a_word_to_the_server(
    double: Double, link: str, tmp_path: Path, capsys: Capture
):
    (tmp_path / "password").write_text("correct horse\n")
    told = len(double.seen)
    locked = run(capsys, "link", link, "--same", "--new-password-file", tmp_path / "password")[1].strip()
    opened = run(capsys, "link", locked, "--same", "--password-file", tmp_path / "password")[1].strip()
    assert parse_link(locked).is_locked
    assert open_link(parse_link(locked), password="correct horse") == open_link(parse_link(link))
    assert opened == link
    assert len(double.seen) == told


def test_the_same_link_keeps_its_terms(link: str, capsys: Capture):
    assert run(capsys, "link", link, "--same", "--price-msat", "5")[0] == USAGE


def test_info_tells_when_a_link_ends(signed_in: Path, tmp_path: Path, capsys: Capture):
    link = put(capsys, tmp_path, "a", "--expires", "2040-01-01T00:00:00Z", "--transfers-max", "3")
    out = run(capsys, "info", link)[1]
    assert "Expires: 2040-01-01T00:00:00Z." in out
    assert "Transfers left: 3." in out
