"""The file of the links that were made here: private, on the disk, and whole after every interruption."""

import stat
from pathlib import Path

import pytest

from client.errors import KeptLinksError
from client.kept_links import KeptLink, KeptLinks, decode_token, encode_token

SERVER = "https://host"


def make(number: int, *, name: str = "song.flac", server: str = SERVER) -> KeptLink:
    link_id = f"018f0000-0000-7000-8000-{number:012}"
    token = encode_token(bytes([number]) * 32)
    return KeptLink(server, link_id, f"{server}/f/{link_id}#1.A", name, 10, "2026-01-01T00:00:00Z", token)


def test_links_come_back_in_order_from_a_private_file(tmp_path: Path):
    links = KeptLinks(tmp_path / "home")
    assert links.list() == []
    links.add(make(1))
    links.add(make(2), make(3))
    assert links.list() == [make(1), make(2), make(3)]
    assert stat.S_IMODE((tmp_path / "home" / "links.jsonl").stat().st_mode) == 0o600


def test_a_token_survives_its_spelling():
    link = make(7)
    assert link.get_deletion_token() == bytes([7]) * 32
    assert decode_token(encode_token(bytes(32))) == bytes(32)


def test_the_newest_line_about_a_link_counts(tmp_path: Path):
    links = KeptLinks(tmp_path)
    links.add(make(1, name="old"))
    links.add(make(2))
    links.add(make(1, name="new"))
    assert [link.name for link in links.list()] == ["new", "song.flac"]


def test_removing_leaves_other_links_and_other_servers_alone(tmp_path: Path):
    links = KeptLinks(tmp_path)
    links.add(make(1), make(2), make(1, server="https://other"))
    links.remove(server=SERVER, link_ids=[make(1).id])
    assert links.list() == [make(2), make(1, server="https://other")]
    assert links.find(server=SERVER, link_id=make(1).id) is None
    assert links.find(server=SERVER, link_id=make(2).id) == make(2)


@pytest.mark.parametrize("left", [1, 30, -1])
def test_half_a_line_that_a_power_cut_left_is_no_link_and_is_overwritten(tmp_path: Path, left: int):
    links = KeptLinks(tmp_path)
    links.add(make(1))
    whole = (tmp_path / "links.jsonl").read_bytes()
    (tmp_path / "links.jsonl").write_bytes(whole + whole[:left])
    assert links.list() == [make(1)]
    links.add(make(2))
    assert links.list() == [make(1), make(2)]


def test_half_a_first_line_is_overwritten_too(tmp_path: Path):
    (tmp_path / "links.jsonl").write_bytes(b'{"ser')
    KeptLinks(tmp_path).add(make(1))
    assert KeptLinks(tmp_path).list() == [make(1)]


@pytest.mark.parametrize("line", [b"{}\n", b"x\n", b'{"server": "a"}\n'])
def test_a_damaged_line_is_an_error_that_names_it(tmp_path: Path, line: bytes):
    links = KeptLinks(tmp_path)
    links.add(make(1))
    with (tmp_path / "links.jsonl").open("ab") as stream:
        stream.write(line)
    with pytest.raises(KeptLinksError, match="Line 2"):
        links.list()


def test_the_file_and_its_name_are_on_the_disk(tmp_path: Path, synced: list[tuple[Path, list[str]]]):
    KeptLinks(tmp_path / "home").add(make(1))
    assert ("home", ["links.jsonl", "links.lock"]) in [(path.name, names) for path, names in synced]


def test_no_secret_is_in_what_a_traceback_shows():
    assert "#1.A" not in repr(make(1))
    assert encode_token(bytes([1]) * 32) not in repr(make(1))
