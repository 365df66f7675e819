"""The databases of the fault tests: each is made empty, saved once as a starting state, and restored for every run."""

import os
import shutil
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


class Engine(Protocol):
    """A database whose starting state can be brought back. No method leaves a connection open: the driver forks."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which the system opens the database, through the backend that has the points."""

    def create(self) -> None:
        """Make the database, empty."""

    def save(self) -> None:
        """Keep what the database now holds as the starting state."""

    def restore(self) -> None:
        """Bring the starting state back, whatever killed processes have left."""

    def remove(self) -> None:
        """Leave nothing behind."""


class SqliteEngine:
    """A file in a folder of its own, and its copy."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "database" / "cadastre.sqlite3"
        self._saved = folder / "starting-state"
        self.environment = {
            "CADASTRE_DATABASE_URL": f"sqlite:///{self._file}",
            "CADASTRE_SQLITE_BACKEND": "tests.faults.sqlite3",
        }

    def create(self) -> None:
        """Make the folder; SQLite makes the file."""
        self._file.parent.mkdir()

    def save(self) -> None:
        """Copy the file with its write-ahead log."""
        shutil.copytree(self._file.parent, self._saved)

    def restore(self) -> None:
        """Replace the file, and the write-ahead log that belongs to it."""
        shutil.rmtree(self._file.parent)
        shutil.copytree(self._saved, self._file.parent)

    def remove(self) -> None:
        """Leave the folder to whoever made it."""


class PostgresqlEngine:
    """A database of this process on a server, and a template that it is made from for every run."""

    def __init__(self, server_url: str) -> None:
        # The driver's process id, so that several drivers may share a server.
        self._name = f"cadastre_faults_{os.getpid()}"
        self._saved = f"{self._name}_start"
        self._maintenance_url = urlsplit(server_url)._replace(path="/postgres").geturl()
        self.environment = {
            "CADASTRE_DATABASE_URL": urlsplit(server_url)._replace(path=f"/{self._name}").geturl(),
            "CADASTRE_POSTGRESQL_BACKEND": "tests.faults.postgresql",
        }

    def create(self) -> None:
        """Make an empty database."""
        self._execute("CREATE DATABASE {}", self._name)

    def save(self) -> None:
        """Make the database a template. The server waits for its last connection to end."""
        self._execute("ALTER DATABASE {} RENAME TO {}", self._name, self._saved)

    def restore(self) -> None:
        """Make the database from the template. The server may still know connections of a killed process: end them."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", self._name)
        self._execute("CREATE DATABASE {} TEMPLATE {}", self._name, self._saved)

    def remove(self) -> None:
        """Drop the database and the template."""
        for name in (self._name, self._saved):
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self._maintenance_url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def make_engine(*, server_url: str, folder: Path) -> Engine:
    """Return a database on the server that is named, or in a file below the folder."""
    return PostgresqlEngine(server_url) if server_url.startswith("postgresql:") else SqliteEngine(folder)
