"""The web server on a data directory of its own, as a deployment runs it, for the rows that go through it."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.memory import CHECKOUT, read_status_bytes

FOLDER = CHECKOUT / "var" / "bench" / "web-server"
ACCOUNT = {"username": "bench", "password": "correct horse battery"}
START_SECONDS = 60


class WebServer:
    """Gunicorn with one worker, on SQLite, and a token of somebody who uploads; its folder is removed at the end."""

    def __enter__(self) -> Self:
        shutil.rmtree(FOLDER, ignore_errors=True)
        (FOLDER / "static").mkdir(parents=True)
        self.environment = {
            **os.environ,
            "CADASTRE_VAR_DIR": str(FOLDER),
            "CADASTRE_DATABASE_URL": f"sqlite:///{FOLDER}/bench.sqlite3",
            "CADASTRE_SECRET_KEY": "only-for-benchmarks-" + "0123456789" * 4,
        }
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=CHECKOUT, env=self.environment, check=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.headers: dict[str, str] = {}
        self.start()
        self.request("POST", "/users", document=ACCOUNT)
        token = self.request("POST", "/tokens", document={**ACCOUNT, "name": "bench"})["token"]
        self.headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait()
        self.listener.close()
        shutil.rmtree(FOLDER)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        inherited = self.listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{inherited}"]
        with (FOLDER / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", "1", "--threads", "8", "--timeout", "120"],
                cwd=CHECKOUT, env=self.environment, stdout=log, stderr=log, pass_fds=[inherited],
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.send("OPTIONS", "/uploads")
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def send(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Any = None) -> bytes:
        """Send a request, keep the headers of its answer in `answered`, and return the answer's body.

        Raises RuntimeError if it is an error.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        # A file is sent in pieces of this size.
        connection.blocksize = 1024 * 1024
        connection.request(method, f"/api/v1{path}", body=body, headers={**self.headers, **(headers or {})})
        answer = connection.getresponse()
        self.answered, data = answer.headers, answer.read()
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {data!r}")
        return data

    def request(self, method: str, path: str, *, document: object, key: str = "bench") -> Any:
        """Send a JSON document, under an Idempotency-Key, and return the one that comes back."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        return json.loads(self.send(method, path, body=json.dumps(document), headers=headers))

    def get_offset(self, path: str) -> int:
        """Return how many bytes of an upload count."""
        self.send("HEAD", path)
        return int(self.answered["Upload-Offset"])

    def get_worker(self) -> int:
        """Return the worker's process id."""
        master = self.process.pid
        return int(Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()[0])

    def get_peak_bytes(self) -> int:
        """Return the most memory that the worker has ever had."""
        return read_status_bytes("VmHWM", process=str(self.get_worker()))

    def get_present_bytes(self) -> int:
        """Return how much memory the worker has now."""
        return read_status_bytes("VmRSS", process=str(self.get_worker()))
