"""What the client's tests share: the server's double, Bob who is signed in, and the age tools to compare with."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.api import Api
from client.config import store_token
from client.connections import Server
from client.progress import Progress
from tests.client.doubles import TOKEN, Double


@pytest.fixture
def double() -> Iterator[Double]:
    """Run the server's double."""
    server = Double()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def api(double: Double) -> Iterator[Api]:
    """Connect Bob to it, without waits and with a single attempt per request."""
    server = Server(double.url, token=TOKEN, sleep=lambda _: None, attempts_max=1)
    yield Api(server)
    server.close()


@pytest.fixture
def progress() -> Progress:
    """Show nothing."""
    return Progress("", 0, is_silent=True)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the command a folder of its own."""
    path = tmp_path / "home"
    monkeypatch.setenv("CADASTRE_HOME", str(path))
    return path


@pytest.fixture
def signed_in(home: Path, double: Double) -> Path:
    """Sign Bob in."""
    store_token(home, double.url, TOKEN)
    return home


@pytest.fixture
def age_command() -> str:
    """Find Debian's `age`, or skip the test by name."""
    path = shutil.which("age")
    if path is None:
        pytest.skip("the `age` command is not installed")
    return path


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, list[str]]]:
    """List the folders that were put on the disk, in order, each with the names that it had then."""
    folders: list[tuple[Path, list[str]]] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            folders.append((path, sorted(entry.name for entry in path.iterdir())))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    return folders
