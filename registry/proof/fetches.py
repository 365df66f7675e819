"""Asking an HTTP server for a small answer: no proxy, no redirect, a limit on the bytes and on the time."""

import base64
import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import IO

from registry.proof.errors import HeaderUnavailableError, UsageError

ANSWER_BYTES_MAX = 64 * 1024
ANSWER_TIMEOUT_S = 30
"""For each step of connecting and waiting, and for the whole of an answer's body."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows nothing: another host would see the password, and nobody asked for its word."""

    def redirect_request(self, *arguments: object) -> None:
        """Make no other request."""


class Fetcher:
    """Asks one server, whose address may carry USER:PASSWORD. `name` is the address without what may be secret."""

    def __init__(self, url: str, *, what: str) -> None:
        """Raises UsageError if the address is not one; `what` says whose it is."""
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{what} address is not an address") from error
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError(f"{what} address is http://HOST:PORT or https://HOST:PORT")
        place = f"[{host}]" if ":" in host else host
        place = place if port is None else f"{place}:{port}"
        self.name = f"{parts.scheme}://{place}"
        self._parts = (parts.scheme, place, parts.path, parts.query)
        user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
        self._headers = {}
        if user or password:
            self._headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def join(self, path: str) -> str:
        """Return the address with a path added, and without user and password."""
        scheme, place, base, query = self._parts
        return urllib.parse.urlunsplit((scheme, place, base + path, query, ""))

    def fetch(self, path: str, *, what: str, body: bytes | None = None) -> bytes:
        """Return the answer to a GET, or to a POST of a JSON body, at the address and this path.

        Raises HeaderUnavailableError, which names what was asked for, if there is no answer within the limits.
        """
        headers = self._headers if body is None else self._headers | {"Content-Type": "application/json"}
        request = urllib.request.Request(self.join(path), data=body, headers=headers)  # noqa: S310 - checked scheme
        try:
            with self._opener.open(request, timeout=ANSWER_TIMEOUT_S) as response:
                return _read_answer(response)
        except urllib.error.HTTPError as error:
            error.close()
            raise HeaderUnavailableError(f"{self.name} refuses {what}: status {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise HeaderUnavailableError(f"{self.name} does not answer {what}: {error}") from error


def _read_answer(response: IO[bytes]) -> bytes:
    """Read a body piece by piece, for one timeout on each piece would let a drip last for ever."""
    deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
    answer = bytearray()
    while piece := response.read1(ANSWER_BYTES_MAX + 1 - len(answer)):  # type: ignore[attr-defined]  # HTTPResponse's
        answer += piece
        if len(answer) > ANSWER_BYTES_MAX:
            raise ValueError(f"more than {ANSWER_BYTES_MAX} bytes")
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the answer takes longer than {ANSWER_TIMEOUT_S} s")
    return bytes(answer)
