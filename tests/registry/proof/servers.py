"""Real HTTP servers on loopback for the tests of sources: an explorer, and one that answers as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from registry.proof.headers import display_hash, parse_header


@contextmanager
def serve_answers(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """Serve GET and POST by a function that writes the whole answer; yield the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def drip(handler: BaseHTTPRequestHandler, *, pieces: int, pause_s: float) -> None:
    """Send a byte, wait, and so on."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(pieces))
    handler.end_headers()
    try:
        for _ in range(pieces):
            handler.wfile.write(b"0")
            handler.wfile.flush()
            time.sleep(pause_s)
    except OSError:
        return


class Explorer:
    """What an Esplora server says. `answers` overrides the answer to a path, whole."""

    def __init__(self, headers: dict[int, bytes], tip: int) -> None:
        self.headers = headers
        self.tip = tip
        self.answers: dict[str, bytes] = {}
        self.asked: list[str] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.removeprefix("/api")
        self.asked.append(handler.path)
        body = self.answers.get(path, self.find(path))
        if body is None:
            send(handler, b"Block not found", status=404)
        else:
            send(handler, body)

    def find(self, path: str) -> bytes | None:
        hashes = {display_hash(parse_header(raw).block_hash): height for height, raw in self.headers.items()}
        paths = {"/blocks/tip/height": str(self.tip)}
        for block_hash, height in hashes.items():
            paths |= {
                f"/block-height/{height}": block_hash,
                f"/block/{block_hash}/header": self.headers[height].hex(),
                f"/block/{block_hash}/status": json.dumps({"in_best_chain": True, "height": height, "next_best": None}),
            }
        return paths[path].encode() if path in paths else None
