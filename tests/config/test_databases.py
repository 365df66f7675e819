"""Database URLs: what Django is told of each."""

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.databases import parse_database_url


def parse(url: str) -> dict[str, Any]:
    return parse_database_url(url, sqlite_backend="one", postgresql_backend="another")


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:////var/a%20b.sqlite3", "/var/a b.sqlite3"), ("sqlite:///var/a.sqlite3", "/var/a.sqlite3")],
)
def test_an_sqlite_url_names_a_file(url: str, path: str):
    found = parse(url)

    assert (found["ENGINE"], found["NAME"]) == ("one", Path(path))
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_sqlites_options_are_not_shared():
    parse("sqlite:////a")["OPTIONS"]["timeout"] = 0

    assert parse("sqlite:////a")["OPTIONS"]["timeout"] == 20


def test_a_postgresql_url_names_server_user_and_database():
    found = parse("postgresql://al%40ice:p%2Fw@db.example:6432/cadastre?sslmode=require")

    names = ("ENGINE", "NAME", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    assert tuple(found[name] for name in names) == (
        "another",
        "cadastre",
        "al@ice",
        "p/w",
        "db.example",
        "6432",
        {"sslmode": "require"},
    )
    assert found["CONN_HEALTH_CHECKS"] is True


def test_what_a_postgresql_url_leaves_out_is_empty():
    found = parse("postgresql:///cadastre")

    assert [found[name] for name in ("USER", "PASSWORD", "HOST", "PORT")] == [""] * 4


@pytest.mark.parametrize("url", ["", "mysql://host/name", "postgres://host/name", "cadastre.sqlite3"])
def test_another_scheme_is_refused(url: str):
    with pytest.raises(ImproperlyConfigured, match="must start with sqlite:// or postgresql://"):
        parse(url)
