"""A real web server in its own process, to which the tests of uploads speak over sockets."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.factories.storage import MANIFEST, digest

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = {"username": "bob", "password": "correct horse battery"}
MEDIA_TYPE = "application/offset+octet-stream"


class LiveServer:
    """The web server on a database and a data directory of its own."""

    def __init__(self, folder: Path, *, options: Sequence[str] = (), **settings: str) -> None:
        # The server is given this socket at every start: a port that is free between two starts might be taken.
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.folder = folder
        self.options = options
        self.environment = {
            **os.environ,
            "CADASTRE_VAR_DIR": str(folder),
            "CADASTRE_DATABASE_URL": f"sqlite:///{folder}/live.sqlite3",
            "CADASTRE_SECRET_KEY": "only-for-tests-" + "0123456789" * 4,
            **settings,
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
                [*command, "--workers", "1", "--threads", "4", *self.options],
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

    def begin_patch(self, path: str, length: int, data: bytes, *, offset: int = 0) -> socket.socket:
        """Announce `length` bytes from an offset, send the first of them, and leave the connection open."""
        headers = {"Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE}
        return self.begin("PATCH", path, length, data, headers=headers)

    def begin(self, method: str, path: str, length: int, data: bytes, *, headers: dict[str, str]) -> socket.socket:
        """Send a request whose body is announced with `length` bytes, and leave the connection open."""
        lines = [f"{method} /api/v1{path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {length}"]
        lines += [f"{name}: {value}" for name, value in {**self.headers, **headers}.items()]
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
        document = self.describe_link(path, content)
        return self.request("POST", "/links", document=document, **{"Idempotency-Key": path})

    def describe_link(self, path: str, content: bytes) -> dict[str, Any]:
        """Return the document that asks for the link."""
        found = digest(content)
        return {
            "upload": path.rpartition("/")[2],
            "sha256": f"sha256:{found.sha256.hex()}",
            "length": found.length,
            "root": f"sha256:{found.root.hex()}",
            "manifest": base64.b64encode(MANIFEST).decode(),
            "seal": "00" * 32,
            "price": {"amount_msat": 0},
        }

    def find_worker(self) -> int | None:
        """Return the worker's process id, or None while there is none."""
        master = self.process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
        return int(children[0]) if children else None

    def kill_worker(self) -> None:
        """Kill the worker; the server starts another."""
        killed = self.find_worker()
        assert killed is not None, "there is no worker"
        os.kill(killed, signal.SIGKILL)
        self.wait_for(lambda: self.find_worker() not in {killed, None})

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, "it does not come to that"
            time.sleep(0.002)

    def get_peak_kib(self) -> int:
        """Return the most memory that the worker has ever had."""
        status = Path(f"/proc/{self.find_worker()}/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0])
