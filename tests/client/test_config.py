"""Where the command keeps its files, and what it refuses to take for a server."""

import stat
from pathlib import Path

import pytest

from client.arguments import parse_rate, parse_seconds
from client.config import get_home, get_token, normalize_server_url, read_config, store_token, write_private_file
from client.errors import ConfigError, NotSignedInError


@pytest.mark.parametrize(
    ("environment", "home"),
    [
        ({"CADASTRE_HOME": "/a", "XDG_CONFIG_HOME": "/b"}, Path("/a")),
        ({"XDG_CONFIG_HOME": "/b"}, Path("/b/cadastre")),
        ({}, Path.home() / ".config" / "cadastre"),
    ],
)
def test_finds_its_folder(environment: dict[str, str], home: Path):
    assert get_home(environment) == home


@pytest.mark.parametrize("text", ["", "host", "ftp://host", "https://bob@host", "https://host/path", "https://host?x"])
def test_refuses_what_is_no_server(text: str):
    with pytest.raises(ConfigError):
        normalize_server_url(text)


def test_a_server_has_one_spelling():
    assert normalize_server_url(" HTTPS://Host:8443/ ") == "https://host:8443"


def test_a_second_token_leaves_the_first(tmp_path: Path):
    store_token(tmp_path, "https://a", "cad_a")
    store_token(tmp_path, "https://b", "cad_b")
    config = read_config(tmp_path)
    assert (config.server_url, get_token(config, "https://a")) == ("https://b", "cad_a")
    assert "cad_a" not in repr(config)
    with pytest.raises(NotSignedInError):
        get_token(config, "https://c")


def test_rates_and_times_are_read():
    assert [parse_rate(text) for text in ("1", "500k", "2M", "1G")] == [1, 500_000, 2_000_000, 1_000_000_000]
    assert parse_seconds("1.5") == 1.5


def test_new_names_are_on_the_disk_before_anybody_relies_on_them(tmp_path: Path, synced: list[tuple[Path, list[str]]]):
    path = tmp_path / "new" / "folder" / "file"
    write_private_file(path, b"data")
    assert synced == [(tmp_path, ["new"]), (path.parent.parent, ["folder"]), (path.parent, ["file"])]
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in (path.parent, path.parent.parent))
