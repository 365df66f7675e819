"""The development node's HTTP server, and the life of its process from the first log line to the clean
stop."""

import base64
import hmac
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chain.devnode.block_log import BlockLog, BlockLogError
from chain.devnode.node import DataDirectoryInUseError, DevelopmentNode
from chain.devnode.rpc import answer

logger = logging.getLogger(__name__)
REQUEST_BYTES_MAX = 32 * 2**20
IDLE_SECONDS_MAX = 30
HTTP_UNAUTHORIZED = 401
COOKIE_USER = "__cookie__"
COOKIE_NAME = ".cookie"


@dataclass(frozen=True)
class ServerOptions:
    """Where to keep data, where to listen (port 0: any free one), and whom to serve (no user: a cookie
    file)."""

    directory: Path
    bind: str = "127.0.0.1"
    port: int = 18443
    user: str | None = None
    password: str | None = None


class RpcServer(ThreadingHTTPServer):
    """Serves one node; until there is one, every call is answered with "warming up"."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], handler: type["RpcHandler"], credentials: str) -> None:
        super().__init__(address, handler)
        self.node: DevelopmentNode | None = None
        self.expected_authorization = "Basic " + base64.b64encode(credentials.encode()).decode("ascii")


class RpcHandler(BaseHTTPRequestHandler):
    """Answers JSON-RPC on one kept-alive connection."""

    protocol_version = "HTTP/1.1"
    server_version = "CadastreDevelopmentNode"
    disable_nagle_algorithm = True
    wbufsize = -1  # Buffered: status, headers and body leave in one packet.
    timeout = IDLE_SECONDS_MAX
    server: RpcServer

    def do_POST(self) -> None:
        """Answer one request."""
        length = self._read_length()
        if length is None:
            self.close_connection = True
            self.reply(400, b"A request states its Content-Length, within the limit.\n", "text/plain")
            return
        body = self.rfile.read(length)
        if not self._is_authorized():
            self.reply(HTTP_UNAUTHORIZED, b"", "text/plain")
            return
        reply = answer(self.server.node, body)
        self.reply(reply.status, reply.body, "application/json")

    def do_GET(self) -> None:
        """Refuse: JSON-RPC is POST."""
        self.reply(405, b"JSONRPC server handles only POST requests", "text/plain")

    def reply(self, status: int, body: bytes, content_type: str) -> None:
        """Send one response."""
        self.send_response(status)
        if status == HTTP_UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="jsonrpc"')
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the standard library's signature
        """Stay quiet: one line for every call would bury what matters."""

    def _read_length(self) -> int | None:
        """Return the body's length in bytes, or None if it is missing, malformed or over the limit."""
        text = self.headers.get("Content-Length", "")
        if not (text.isascii() and text.isdigit()) or int(text) > REQUEST_BYTES_MAX:
            return None
        return int(text)

    def _is_authorized(self) -> bool:
        """Compare the credentials in constant time."""
        given = self.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), self.server.expected_authorization.encode())


def run_server(
    options: ServerOptions,
    *,
    handler: type[RpcHandler] = RpcHandler,
    open_log: Callable[[Path], BlockLog] = BlockLog,
) -> int:
    """Run a node until SIGTERM or SIGINT and return the process's exit code.

    Prints one line, `listening on http://ADDRESS:PORT`, when calls are answered.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    options.directory.mkdir(parents=True, exist_ok=True)
    try:
        with DevelopmentNode(options.directory, open_log=open_log) as node:
            return _serve(options, node, handler, stop)
    except DataDirectoryInUseError as error:
        return _refuse_start(f"another development node uses {error}")
    except (BlockLogError, OSError) as error:
        return _refuse_start(str(error))


def _refuse_start(reason: str) -> int:
    """Say why there is no node and return the exit code; a trace would say nothing more."""
    logger.error("The development node cannot start: %s", reason)
    return 1


def _serve(options: ServerOptions, node: DevelopmentNode, handler: type[RpcHandler], stop: threading.Event) -> int:
    """Serve an open node until `stop` is set."""
    cookie = options.directory / COOKIE_NAME
    credentials = f"{options.user}:{options.password}" if options.user else _write_cookie(cookie)
    try:
        with RpcServer((options.bind, options.port), handler, credentials) as server:
            server.node = node
            poll_seconds = 0.02  # how long a stop may wait for the accepting thread
            thread = threading.Thread(target=server.serve_forever, args=(poll_seconds,), name="rpc", daemon=True)
            thread.start()
            sys.stdout.write(f"listening on http://{options.bind}:{server.server_address[1]}\n")
            sys.stdout.flush()
            stop.wait()
            server.shutdown()
            thread.join()
            server.node = None
    finally:
        if not options.user:
            cookie.unlink(missing_ok=True)
    return 0


def _write_cookie(path: Path) -> str:
    """Write fresh credentials that only this user can read, as Core's .cookie, and return them."""
    credentials = f"{COOKIE_USER}:{secrets.token_hex(32)}"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(credentials, encoding="ascii")
    return credentials
