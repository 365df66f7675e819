"""A Bitcoin node of the tests' own: an HTTP server on loopback over a chain in memory, which can be told to misbehave.

Its blocks have real headers, links, Merkle roots and regtest's proof of work, so that what is wrong with an answer is
only what a test made wrong.
"""

import http.server
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bitcoin.core import CoreRegTestParams

from chain.node import NodeClient
from chain.transactions import block_hash, parse_block
from tests.factories.registry import build_block

GENESIS: bytes = CoreRegTestParams.GENESIS_BLOCK.serialize()
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALL_REFUSED = -32601


def hash_of(raw: bytes) -> str:
    """Return a block's hash."""
    return block_hash(raw[:80])


def extend(chain: list[bytes], count: int, *, branch: int = 0) -> list[bytes]:
    """Return a chain with more blocks on it; another branch number makes other blocks of the same heights."""
    chain = list(chain)
    for height in range(len(chain), len(chain) + count):
        moment = START + timedelta(seconds=height * 600 + branch)
        chain.append(build_block([], previous_hash=hash_of(chain[-1]), height=height, now=moment))
    return chain


def fork(chain: list[bytes], height: int, count: int, *, branch: int = 1) -> list[bytes]:
    """Return a chain that leaves another after a height and has so many blocks of its own."""
    return extend(chain[: height + 1], count, branch=branch)


class RefusedCallError(Exception):
    """The node's error answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NodeDouble:
    """Serves `chain`, and knows the blocks of `stale` chains; `calls` counts what it was asked.

    `members` replace those of getblockchaininfo, `prune_height` is the lowest block that it has, `answers` replace the
    answer to a call by method, and `before` is run before each call with its method.
    """

    def __init__(self, chain: list[bytes] | None = None) -> None:
        self._chain: list[bytes] = []
        self.hashes: list[str] = []
        self.blocks: dict[str, bytes] = {}
        self.chain = chain or [GENESIS]
        self.members: dict[str, Any] = {}
        self.prune_height = 0
        self.missing: set[str] = set()
        self.answers: dict[str, Callable[..., Any]] = {}
        self.before: Callable[[str], object] = lambda _: None
        self.reply_delay_s = 0.0
        self.byte_delay_s = 0.0
        self.bytes_sent_max: int | None = None
        self.calls: Counter[str] = Counter()

    @property
    def chain(self) -> list[bytes]:
        """The best chain, from genesis."""
        return self._chain

    @chain.setter
    def chain(self, chain: list[bytes]) -> None:
        """Switch to another chain; the blocks of the one before stay known."""
        self._chain = chain
        self.hashes = [hash_of(raw) for raw in chain]
        self.blocks |= dict(zip(self.hashes, chain, strict=True))

    def grow(self, count: int) -> None:
        """Add blocks to the best chain."""
        self.chain = extend(self.chain, count)

    def answer(self, method: str, parameters: list[Any]) -> Any:
        """Answer one call."""
        self.calls[method] += 1
        self.before(method)
        if method in self.answers:
            return self.answers[method](*parameters)
        handler = getattr(self, method, None)
        if handler is None or method.startswith("_"):
            raise RefusedCallError(CALL_REFUSED, "Method not found")
        return handler(*parameters)

    def getblockchaininfo(self) -> dict[str, Any]:
        """Describe the chain."""
        height = len(self.chain) - 1
        described: dict[str, Any] = {"chain": "regtest", "blocks": height, "headers": height}
        described |= {"bestblockhash": self.hashes[-1], "initialblockdownload": False}
        described["pruned"] = self.prune_height > 0
        if self.prune_height:
            described["pruneheight"] = self.prune_height
        return described | self.members

    def getblockcount(self) -> int:
        """Tell the height."""
        return len(self.chain) - 1

    def getblockhash(self, height: int) -> str:
        """Name a block of the best chain."""
        if not 0 <= height < len(self.hashes):
            raise RefusedCallError(-8, "Block height out of range")
        return self.hashes[height]

    def getblockheader(self, wanted: str, is_described: bool) -> Any:
        """Give a header."""
        raw = self._find(wanted)
        if not is_described:
            return raw[:80].hex()
        is_best = wanted in self.hashes
        height = self.hashes.index(wanted) if is_best else parse_block(raw).height
        confirmations = len(self.hashes) - height if is_best else -1
        return {"hash": wanted, "height": height, "confirmations": confirmations, "time": 0}

    def getblock(self, wanted: str, verbosity: int) -> str:  # noqa: ARG002  the call has it
        """Give a block."""
        raw = self._find(wanted)
        if self.prune_height and wanted in self.hashes[: self.prune_height]:
            raise RefusedCallError(-1, "Block not available (pruned data)")
        return raw.hex()

    def _find(self, wanted: str) -> bytes:
        if wanted not in self.blocks or wanted in self.missing:
            raise RefusedCallError(-5, "Block not found")
        return self.blocks[wanted]


class _Server(http.server.ThreadingHTTPServer):
    """Serves one node."""

    daemon_threads = True
    node: NodeDouble


class _Handler(http.server.BaseHTTPRequestHandler):
    """Speaks HTTP/1.1 and keeps the connection, as Bitcoin Core does."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        """Answer one call."""
        node = self.server.node
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply: dict[str, Any] = {"result": None, "error": None, "id": request["id"]}
        try:
            reply["result"] = node.answer(request["method"], request["params"])
        except RefusedCallError as error:
            reply["error"] = {"code": error.code, "message": str(error)}
        time.sleep(node.reply_delay_s)
        body = json.dumps(reply).encode()
        self.send_response(200 if reply["error"] is None else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.write(body[: node.bytes_sent_max])
        self.close_connection = node.bytes_sent_max is not None

    def write(self, body: bytes) -> None:
        """Send the body, a byte at a time where the node is to be that slow."""
        if not self.server.node.byte_delay_s:
            self.wfile.write(body)
            return
        for index in range(len(body)):
            try:
                self.wfile.write(body[index : index + 1])
                self.wfile.flush()
            except OSError:
                return  # the client has had enough
            time.sleep(self.server.node.byte_delay_s)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the standard library's signature
        """Stay quiet."""


@contextmanager
def serving(node: NodeDouble, *, port: int = 0, timeout_s: float = 10) -> Iterator[NodeClient]:
    """Serve a node on loopback and give a client of it."""
    server = _Server(("127.0.0.1", port), _Handler)
    server.node = node
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    client = NodeClient(f"http://u:p@127.0.0.1:{server.server_port}", timeout_s=timeout_s)
    try:
        yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
