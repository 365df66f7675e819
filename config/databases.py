"""Turns a database URL into Django's settings, with the options each engine needs to be safe under load."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

SQLITE_OPTIONS = {
    # IMMEDIATE takes the write lock at BEGIN, so that a read-then-write transaction waits instead of failing half-way.
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}


def parse_database_url(url: str, *, sqlite_backend: str, postgresql_backend: str) -> dict[str, Any]:
    """Return Django's settings for `sqlite:///path` or `postgresql://user:password@host:port/name`.

    Raises ImproperlyConfigured for any other scheme.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return {
            "ENGINE": sqlite_backend,
            "NAME": Path(unquote(parts.path.removeprefix("/") if parts.path.startswith("//") else parts.path)),
            "OPTIONS": dict(SQLITE_OPTIONS),
        }
    if parts.scheme == "postgresql":
        return {
            "ENGINE": postgresql_backend,
            "NAME": unquote(parts.path.removeprefix("/")),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": unquote(parts.hostname or ""),
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": dict(parse_qsl(parts.query)),
        }
    raise ImproperlyConfigured("CADASTRE_DATABASE_URL must start with sqlite:// or postgresql://.")
