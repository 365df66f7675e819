"""A server for measurements in a browser: the page, its workers, and what an upload and its delivery ask of the API.

It keeps one ciphertext in a file and checks nothing, so that what is measured is the browser's work.
"""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

BUILT = Path(__file__).resolve().parent.parent / "web" / "assets" / "build" / "bench"
LINK_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
PAGE = b"""<!doctype html><title>bench</title><input type="file" id="file">
<script type="module" src="/built/bench.js"></script>"""
READ_BYTES = 1024 * 1024


class Handler(BaseHTTPRequestHandler):
    """Answers for one browser."""

    protocol_version = "HTTP/1.1"
    blob: Path
    link: dict[str, Any]

    def do_GET(self) -> None:
        """Serve the page, a script, or what is known of the link."""
        if self.path == "/f/bench":
            self._send(200, PAGE, "text/html")
        elif self.path == "/f/worker.js":
            self._send(200, (BUILT / "service_worker.js").read_bytes(), "text/javascript")
        elif self.path.startswith("/built/"):
            self._send(200, (BUILT / Path(self.path).name).read_bytes(), "text/javascript")
        elif self.path.endswith("/content"):
            self._deliver()
        elif self.path.endswith("/manifest"):
            self._send(200, base64.b64decode(self.link["manifest"]), "application/octet-stream")
        elif self.path.startswith("/api/v1/links/"):
            self._send(200, json.dumps({**self.link, "id": LINK_ID, "record": None}).encode(), "application/json")
        else:
            self._send(404, b"", "text/plain")

    def do_POST(self) -> None:
        """Begin an upload, or make the link."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/v1/links":
            self.link.update(json.loads(body))
            self._send(201, json.dumps({**self.link, "id": LINK_ID, "record": None}).encode(), "application/json")
        else:
            self.blob.write_bytes(b"")
            self._send(201, b"", "text/plain", {"Location": "/api/v1/uploads/bench"})

    def do_HEAD(self) -> None:
        """Tell how many bytes there are."""
        self._send(200, b"", "text/plain", {"Upload-Offset": str(self.blob.stat().st_size)})

    def do_PATCH(self) -> None:
        """Take bytes."""
        left = int(self.headers["Content-Length"])
        with self.blob.open("ab") as stream:
            while left:
                part = self.rfile.read(min(left, READ_BYTES))
                stream.write(part)
                left -= len(part)
        self._send(204, b"", "text/plain", {"Upload-Offset": str(self.blob.stat().st_size)})

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002  the library's name
        """Say nothing."""

    def _deliver(self) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"])
        assert match is not None, "the browser asks for ranges"
        start, end, length = int(match[1]), int(match[2]) + 1, self.blob.stat().st_size
        self.send_response(206)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Content-Range", f"bytes {start}-{end - 1}/{length}")
        self.end_headers()
        with self.blob.open("rb") as stream:
            stream.seek(start)
            while start < end and (part := stream.read(min(READ_BYTES, end - start))):
                self.wfile.write(part)
                start += len(part)

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        if status != 204:  # RFC 9110: such an answer has no content
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def started_server() -> Iterator[str]:
    """Serve on a free port of loopback, give the page's address, and stop at the end."""
    folder = TemporaryDirectory(prefix="cadastre-bench-", dir=Path.cwd() / "var")
    handler = type("BenchHandler", (Handler,), {"blob": Path(folder.name) / "blob", "link": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/f/bench"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        shutil.rmtree(folder.name, ignore_errors=True)
        folder.cleanup()
