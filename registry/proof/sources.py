"""Where the verifier takes block headers from: the caller's own word, or a node that the caller trusts."""

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Protocol

from registry.proof.errors import HeaderUnavailableError, MalformedHeaderError, ProofError, UsageError
from registry.proof.headers import Header, display_hash, parse_display_hash, parse_header

CONFIRMATIONS_MIN = 6
"""With fewer blocks from it to the tip, both included, a block may still be replaced."""

ANSWER_BYTES_MAX = 64 * 1024
NODE_TIMEOUT_S = 30
HEIGHT_DIGITS_MAX = 10
_IS_VERBOSE = False


class HeaderSource(Protocol):
    """Gives the headers of the best chain."""

    def get_header(self, height: int) -> Header:
        """Return the header at a height. Raises HeaderUnavailableError if this source cannot tell."""

    def find_height(self, block_hash: bytes) -> int | None:
        """Return the height of the best chain's block with this hash, or None if this source cannot tell."""


class GivenHeaders:
    """Headers that the caller vouches for, by height."""

    def __init__(self, headers: Mapping[int, Header]) -> None:
        self._headers = dict(headers)

    def get_header(self, height: int) -> Header:
        """Return the header given for a height. Raises HeaderUnavailableError if none was."""
        if height not in self._headers:
            raise HeaderUnavailableError(f"no header was given for block {height}")
        return self._headers[height]

    def find_height(self, block_hash: bytes) -> int | None:
        """Return the height at which the header with this hash was given, or None."""
        return next((h for h, header in self._headers.items() if header.block_hash == block_hash), None)


class NodeHeaders:
    """Headers asked of a node that speaks Bitcoin Core's JSON-RPC: http://USER:PASSWORD@HOST:PORT.

    Raises UsageError if the address is not such an address. No proxy is used: it would see the password.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError("the node's address is not an address") from error
        if parts.scheme not in ("http", "https") or not host:
            raise UsageError("the node's address is http://USER:PASSWORD@HOST:PORT")
        address = f"[{host}]" if ":" in host else host
        self._url = urllib.parse.urlunsplit(
            (
                parts.scheme,
                address if port is None else f"{address}:{port}",
                parts.path or "/",
                parts.query,
                "",
            )
        )
        user, password = (urllib.parse.unquote(part or "") for part in (parts.username, parts.password))
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._headers: dict[int, Header] = {}

    def get_header(self, height: int) -> Header:
        """Return the node's header at a height.

        Raises HeaderUnavailableError if the node does not answer as a node does, or the block has fewer than
        CONFIRMATIONS_MIN confirmations.
        """
        if height not in self._headers:
            self._headers[height] = self._ask_header(height)
        return self._headers[height]

    def find_height(self, block_hash: bytes) -> int | None:
        """Return the height of a block of the node's best chain, or None if it is not there."""
        try:
            answer = self._call("getblockheader", display_hash(block_hash))
        except HeaderUnavailableError:
            return None
        if not isinstance(answer, dict):
            return None
        height, confirmations = answer.get("height"), answer.get("confirmations")
        if not isinstance(height, int) or not isinstance(confirmations, int) or confirmations < 1:
            return None
        return height

    def _ask_header(self, height: int) -> Header:
        tip = self._call("getblockcount")
        if not isinstance(tip, int):
            raise HeaderUnavailableError("the node's height is not a number")
        confirmations = tip - height + 1
        if confirmations < CONFIRMATIONS_MIN:
            raise HeaderUnavailableError(
                f"block {height} has {max(confirmations, 0)} confirmations of {CONFIRMATIONS_MIN}"
            )
        block_hash = self._call("getblockhash", height)
        raw = self._call("getblockheader", block_hash, _IS_VERBOSE)
        try:
            header = parse_header(bytes.fromhex(str(raw)))
            is_asked_for = header.block_hash == parse_display_hash(str(block_hash))
        except (ValueError, MalformedHeaderError) as error:
            raise HeaderUnavailableError("the node's header is not a header") from error
        if not is_asked_for:
            raise HeaderUnavailableError("the node's header has another hash than the node says")
        return header

    def _call(self, method: str, *params: object) -> object:
        body = json.dumps({"jsonrpc": "1.0", "id": "proof", "method": method, "params": params}).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked when the source was made
            self._url,
            data=body,
            headers={"Authorization": self._authorization, "Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=NODE_TIMEOUT_S) as response:
                answer = json.loads(response.read(ANSWER_BYTES_MAX))
        except urllib.error.HTTPError as error:
            error.close()
            raise HeaderUnavailableError(f"the node refuses {method}: status {error.code}") from error
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise HeaderUnavailableError(f"the node does not answer {method}: {error}") from error
        if not isinstance(answer, dict) or answer.get("error") is not None:
            raise HeaderUnavailableError(f"the node cannot answer {method}")
        return answer.get("result")


def parse_given_header(text: str) -> tuple[int, Header]:
    """Parse HEIGHT:HEX, a height and the 160 hexadecimal digits of its header.

    Raises UsageError if the text is not that.
    """
    height, _, digits = text.partition(":")
    if not (height.isascii() and height.isdigit() and len(height) <= HEIGHT_DIGITS_MAX):
        raise UsageError("a header is given as HEIGHT:HEX")
    try:
        return int(height), parse_header(bytes.fromhex(digits))
    except (ValueError, ProofError) as error:
        raise UsageError(f"the header of block {height} is not 160 hexadecimal digits") from error
