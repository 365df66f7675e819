"""How a JSON-RPC request reaches the node and its reply comes back: HTTP/1.1 over one connection per thread.

A call ends by its deadline and a reply by its largest size, whatever the node sends and however slowly.
"""

import base64
import http.client
import io
import os
import socket
import threading
import time
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from chain.errors import NodeAuthenticationError, NodeProtocolError, NodeUnavailableError

REPLY_BYTES_MAX = 256 * 1024 * 1024
"""No reply is longer. A block is at most 8 MB in hex; the list of a full mempool, which a node that lacks
`getmempoolentry` is asked for, may have 100 MB."""

_READ_BYTES = 1024 * 1024
_HTTP_UNAUTHORIZED = 401
_HTTP_FORBIDDEN = 403


class Transport(Protocol):
    """The one outside call: a JSON-RPC request goes out, its reply comes back."""

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Send one request body and return the reply's body.

        Raises NodeUnavailableError if no reply came, NodeAuthenticationError if the password is refused,
        NodeProtocolError if the reply is too long.
        """


class HttpTransport:
    """JSON-RPC over HTTP/1.1 with one kept-alive connection per thread, where the node keeps it alive."""

    def __init__(self, url: str, *, timeout_s: float = 30) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NodeProtocolError("the node's address must look like http://user:password@host:port")
        self._is_https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = parts.path or "/"
        self._timeout_s = timeout_s
        credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(credentials).decode("ascii"),
            "Content-Type": "application/json",
        }
        self._local = threading.local()

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Send one request body and return the reply's body.

        A kept connection may have been dropped by the node while idle. A repeatable request is then sent
        once more on a new connection; one that is not goes out on a new connection in the first place.
        Raises NodeUnavailableError if no reply came in time, NodeAuthenticationError if the password is
        refused, NodeProtocolError if the reply is longer than REPLY_BYTES_MAX.
        """
        if not is_repeatable:
            self.close()
        is_reused = self._find_connection() is not None
        try:
            return self._exchange_once(body)
        except (ConnectionError, http.client.BadStatusLine) as error:
            self.close()
            if not (is_repeatable and is_reused):
                raise NodeUnavailableError(f"the Bitcoin node dropped the connection: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NodeUnavailableError(f"the Bitcoin node does not answer: {error}") from error
        return self.exchange(body, is_repeatable=False)

    def close(self) -> None:
        """Close this thread's connection; the next request opens a new one."""
        self._local.kept = None

    def _find_connection(self) -> "_DeadlineConnection | None":
        """Return this thread's open connection, unless a forked parent opened it."""
        kept: _KeptConnection | None = getattr(self._local, "kept", None)
        return kept.connection if kept is not None and kept.process_id == os.getpid() else None

    def _exchange_once(self, body: bytes) -> bytes:
        """Send on this thread's connection, opened if there is none."""
        connection = self._find_connection()
        if connection is None:
            make = _HttpsConnection if self._is_https else _DeadlineConnection
            connection = make(self._host, self._port, timeout=self._timeout_s)
            self._local.kept = _KeptConnection(connection)
        connection.begin(self._timeout_s)
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        reply = self._read(response)
        if response.status in {_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN}:
            raise NodeAuthenticationError(f"the Bitcoin node answered {response.status}")
        if not response.headers.get("Content-Type", "").startswith("application/json"):
            # Core answers like this while its work queue is full (503), as btcd does with too many clients, and so
            # does a proxy without a node behind it.
            raise NodeUnavailableError(f"the Bitcoin node answered {response.status} without JSON")
        return reply

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        """Read a body of bounded length."""
        reply = bytearray()
        while piece := response.read(_READ_BYTES):
            reply += piece
            if len(reply) > REPLY_BYTES_MAX:
                self.close()
                raise NodeProtocolError(f"the Bitcoin node's reply is longer than {REPLY_BYTES_MAX} bytes")
        if response.length:
            # The library does not say that a read by pieces was cut short.
            raise http.client.IncompleteRead(bytes(reply), response.length)
        return bytes(reply)


class _DeadlineReader(io.RawIOBase):
    """Reads a socket until a moment, where the socket's own timeout would begin anew with every byte."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._socket = connection
        self._deadline = deadline

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come. Raises TimeoutError once the deadline has passed."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._socket.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the socket's file, which the response holds."""
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    """A response whose head and body come through a `_DeadlineReader`."""

    def __init__(self, sock: socket.socket, *arguments: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_DeadlineReader(raw, sock, deadline))


class _DeadlineConnection(http.client.HTTPConnection):
    """A connection whose replies must be complete by a deadline, however slowly they come."""

    def begin(self, timeout_s: float) -> None:
        """Start the clock of the next exchange; connecting and sending must end within the same time each."""
        self.timeout = timeout_s
        if self.sock is not None:
            self.sock.settimeout(timeout_s)
        self.response_class = partial(_DeadlineResponse, deadline=time.monotonic() + timeout_s)  # type: ignore[assignment]  # the library calls it


class _HttpsConnection(http.client.HTTPSConnection, _DeadlineConnection):
    """With TLS."""


class _KeptConnection:
    """An open connection, closed when its thread or its transport ends."""

    def __init__(self, connection: _DeadlineConnection) -> None:
        self.connection = connection
        self.process_id = os.getpid()

    def __del__(self) -> None:
        """Close the connection."""
        self.connection.close()
