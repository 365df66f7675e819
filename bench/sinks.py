"""A server that takes uploads and keeps no byte of them, for measuring the client alone: `python -m bench.sinks`."""

import json
import re
import sys
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

READ_BYTES = 1024 * 1024
TUS = "1.0.0"


class Sink(BaseHTTPRequestHandler):
    """Answers as the interface does, and believes whatever it is told about a blob."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    offsets: dict[str, int] = {}  # noqa: RUF012 - one server to a process

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Keep quiet."""

    def do_OPTIONS(self) -> None:
        """Tell which extensions of tus there are."""
        self._answer(204, {"Tus-Extension": "creation,creation-with-upload,checksum"})

    def do_POST(self) -> None:
        """Begin an upload, or make a link."""
        if self.path == "/api/v1/uploads":
            name = str(uuid.uuid4())
            self.offsets[name] = self._skip()
            location = f"/api/v1/uploads/{name}"
            return self._answer(201, {"Location": location, "Upload-Offset": str(self.offsets[name])})
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = ("length", "sha256", "root", "seal", "price", "expires_at", "transfers_max")
        link = {name: asked.get(name) for name in known} | {"id": str(uuid.uuid4()), "record": None, "payees": []}
        return self._answer(201, {"Content-Type": "application/json"}, json.dumps(link).encode())

    def do_PATCH(self) -> None:
        """Take bytes."""
        name = re.sub("^.*/", "", self.path)
        self.offsets[name] += self._skip()
        self._answer(204, {"Upload-Offset": str(self.offsets[name])})

    def _skip(self) -> int:
        length = left = int(self.headers.get("Content-Length") or 0)
        while left:
            left -= len(self.rfile.read(min(left, READ_BYTES)))
        return length

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "Tus-Resumable": TUS, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> int:
    """Serve on a free loopback port, which is printed first."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(server.server_address[1], flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
