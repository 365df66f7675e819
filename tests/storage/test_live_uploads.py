"""Uploads through a real web server in its own process: cut connections, kills, and how much memory it takes."""

import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories.storage import MANIFEST, digest

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = {"username": "bob", "password": "correct horse battery"}
MEDIA_TYPE = "application/offset+octet-stream"
MIB = 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.own_engine]


class LiveServer:
    """The web server on a database and a data directory of its own."""

    def __init__(self, folder: Path) -> None:
        # The server is given this socket at every start: a port that is free between two starts might be taken.
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.folder = folder
        self.environment = {
            **os.environ,
            "CADASTRE_VAR_DIR": str(folder),
            "CADASTRE_DATABASE_URL": f"sqlite:///{folder}/live.sqlite3",
            "CADASTRE_SECRET_KEY": "only-for-tests-" + "0123456789" * 4,
        }
        (folder / "static").mkdir()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env=self.environment, check=True, timeout=60)
        self.headers: dict[str, str] = {}
        self.start()
        self.request("POST", "/users", document=ACCOUNT)
        token = self.request("POST", "/tokens", document={**ACCOUNT, "name": "test"})["token"]
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}

    def start(self) -> None:
        """Start the server and wait until it answers."""
        inherited = self.listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{inherited}"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", "--threads", "4"],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True, pass_fds=[inherited],
            )  # fmt: skip
        deadline = time.monotonic() + 30
        while True:
            try:
                # A whole request: the socket takes connections before the server does.
                self.send("OPTIONS", "/uploads")
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server and its worker."""
        os.killpg(self.process.pid, how)
        self.process.wait(timeout=30)

    def send(self, method: str, path: str, **options: Any) -> http.client.HTTPResponse:
        """Send a request and return its answer, read to the end."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {**self.headers, **options.pop("headers", {})}
        connection.request(method, f"/api/v1{path}", headers=headers, **options)
        answer = connection.getresponse()
        self.body = answer.read()
        connection.close()
        return answer

    def request(self, method: str, path: str, *, document: object, **headers: str) -> dict[str, Any]:
        """Send a JSON document and return the one that comes back."""
        headers = {"Content-Type": "application/json", **headers}
        answer = self.send(method, path, body=json.dumps(document), headers=headers)
        assert answer.status < 300, self.body
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    def create(self, length: int) -> str:
        """Begin an upload and return its path."""
        location = self.send("POST", "/uploads", headers={"Upload-Length": str(length)}).headers["Location"]
        return str(location).removeprefix("/api/v1")

    def patch(self, path: str, offset: int, body: object, **options: Any) -> http.client.HTTPResponse:
        """Send bytes of an upload."""
        headers = {"Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE, **options.pop("headers", {})}
        return self.send("PATCH", path, body=body, headers=headers, **options)

    def begin_patch(self, path: str, length: int, data: bytes) -> socket.socket:
        """Announce `length` bytes from offset 0, send the first of them, and leave the connection open."""
        lines = [f"PATCH /api/v1{path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}", "Upload-Offset: 0"]
        lines += [f"Content-Type: {MEDIA_TYPE}", *(f"{name}: {value}" for name, value in self.headers.items())]
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        return connection

    def wait_for_offset(self, path: str, offset: int) -> None:
        """Wait until the server has this many bytes of an upload."""
        deadline = time.monotonic() + 20
        while (found := self.get_offset(path)) != offset:
            assert time.monotonic() < deadline, f"the offset stays at {found}"
            time.sleep(0.05)

    def get_offset(self, path: str) -> int:
        """Return how many bytes of an upload count."""
        return int(self.send("HEAD", path).headers["Upload-Offset"])

    def make_link(self, path: str, content: bytes) -> dict[str, Any]:
        """Make a finished upload of this content into a link."""
        found = digest(content)
        document = {
            "upload": path.rpartition("/")[2],
            "sha256": f"sha256:{found.sha256.hex()}",
            "length": found.length,
            "root": f"sha256:{found.root.hex()}",
            "manifest": base64.b64encode(MANIFEST).decode(),
            "seal": "00" * 32,
            "price": {"amount_msat": 0},
        }
        return self.request("POST", "/links", document=document, **{"Idempotency-Key": path})

    def get_peak_kib(self) -> int:
        """Return the most memory that the worker has ever had."""
        master = self.process.pid
        worker = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()[0]
        status = Path(f"/proc/{worker}/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A running server."""
    live = LiveServer(tmp_path_factory.mktemp("live"))
    yield live
    live.stop()
    live.listener.close()


def make_content(length: int) -> bytes:
    return hashlib.shake_256(b"content").digest(length)


def yield_blocks(block: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield block


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_large_request_is_never_held_in_memory(server: LiveServer, is_chunked: bool):
    block = make_content(MIB)
    server.send("HEAD", server.create(1))
    path, peak_kib = server.create(64 * MIB), server.get_peak_kib()
    headers = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(64 * MIB)}

    answer = server.patch(path, 0, yield_blocks(block, 64), headers=headers, encode_chunked=is_chunked)

    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(64 * MIB))
    assert server.get_peak_kib() - peak_kib < 16 * 1024


def test_a_chunked_request_that_is_too_long_keeps_nothing(server: LiveServer):
    path = server.create(MIB)

    answer = server.patch(
        path, 0, yield_blocks(make_content(MIB), 2), headers={"Transfer-Encoding": "chunked"}, encode_chunked=True
    )

    assert (answer.status, json.loads(server.body)["code"]) == (413, "upload-overflow")
    assert server.get_offset(path) == 0


def test_a_cut_connection_keeps_what_arrived_and_the_rest_follows(server: LiveServer):
    content, cut = make_content(MIB), 300_001
    path = server.create(len(content))

    server.begin_patch(path, len(content), content[:cut]).close()
    server.wait_for_offset(path, cut)
    answer = server.patch(path, cut, content[cut:])

    assert answer.status == 204
    assert server.make_link(path, content)["sha256"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_second_request_is_refused_while_the_first_is_under_way(server: LiveServer):
    content = make_content(MIB)
    path = server.create(len(content))
    partial = server.folder / "uploads" / path.rpartition("/")[2]

    with server.begin_patch(path, len(content), content[:300_000]):
        deadline = time.monotonic() + 20
        while not partial.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = server.patch(path, 0, content)
        code = json.loads(server.body)["code"]

    assert (second.status, code) == (423, "upload-busy")
    assert second.headers["Retry-After"] == "1"
    server.wait_for_offset(path, 300_000)


def test_a_killed_server_counts_only_what_was_on_the_disk(server: LiveServer):
    content = make_content(MIB)
    path = server.create(len(content))
    partial = server.folder / "uploads" / path.rpartition("/")[2]

    with server.begin_patch(path, len(content), content[:600_000]):
        deadline = time.monotonic() + 20
        while not (partial.exists() and partial.stat().st_size >= 500_000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.stop(signal.SIGKILL)
    server.start()
    offset = server.get_offset(path)
    answer = server.patch(path, offset, content[offset:])

    assert offset == 0
    assert answer.status == 204
    assert server.make_link(path, content)["sha256"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
