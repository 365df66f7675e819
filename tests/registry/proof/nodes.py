"""A node for the tests: a real HTTP server that answers three of Bitcoin Core's calls from a table of headers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from registry.proof.headers import display_hash, parse_header


class Node:
    """What the server says. `answers` overrides the answer to a call, whole."""

    def __init__(self, headers: dict[int, bytes], tip: int) -> None:
        self.headers = headers
        self.tip = tip
        self.answers: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    def answer(self, method: str, params: list[Any]) -> object:
        hashes = {display_hash(parse_header(raw).block_hash): height for height, raw in self.headers.items()}
        if method == "getblockcount":
            return self.tip
        if method == "getblockhash":
            return next((name for name, height in hashes.items() if height == params[0]), None)
        height = hashes.get(params[0])
        if height is None:
            return None
        if params[1:] == [False]:
            return self.headers[height].hex()
        return {"height": height, "confirmations": self.tip - height + 1}


@contextmanager
def serve(node: Node) -> Iterator[Node]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            method = request["method"]
            node.asked.append((method, self.headers["Authorization"]))
            result = node.answer(method, request["params"])
            body = node.answers.get(method) or json.dumps({"result": result, "error": None}).encode()
            self.send_response(500 if result is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server has
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        node.url = f"http://alice:p%40ss@127.0.0.1:{server.server_port}"
        yield node
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
