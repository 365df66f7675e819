"""Speaks JSON-RPC to the Bitcoin node."""

import base64
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit, urlunsplit


class Node:
    """A Bitcoin node behind a URL that carries its user name and password."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url = urlunsplit(parts._replace(netloc=f"{parts.hostname}:{parts.port}"))
        self._credentials = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()

    def call(self, method: str, *params: object) -> Any:
        """Return a call's result. Raises RuntimeError with the node's message if it refuses."""
        body = json.dumps({"jsonrpc": "1.0", "id": 0, "method": method, "params": params}).encode()
        request = urllib.request.Request(
            self._url, body, {"Authorization": f"Basic {self._credentials}", "Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["result"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method}: {error.read().decode(errors='replace')}") from error

    def is_up(self) -> bool:
        """Return whether the node answers."""
        try:
            self.call("getblockcount")
        except OSError:
            return False
        return True
