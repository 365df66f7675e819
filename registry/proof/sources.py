"""Where the verifier takes block headers from: the caller's own word, or a node that the caller trusts."""

import json
from collections.abc import Mapping
from typing import Protocol

from registry.proof.errors import HeaderUnavailableError, MalformedHeaderError, ProofError, UsageError
from registry.proof.fetches import Fetcher
from registry.proof.headers import Header, display_hash, parse_display_hash, parse_header

CONFIRMATIONS_MIN = 6
"""With fewer blocks from it to the tip, both included, a block may still be replaced."""

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

    Raises UsageError if the address is not such an address.
    """

    def __init__(self, url: str) -> None:
        self._fetcher = Fetcher(url, what="the node's")
        self._headers: dict[int, Header] = {}

    @property
    def name(self) -> str:
        """The node's address without its password."""
        return self._fetcher.name

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
        check_depth(height, tip)
        block_hash = self._call("getblockhash", height)
        raw = self._call("getblockheader", block_hash, _IS_VERBOSE)
        return parse_answered_header(raw, block_hash, whose="the node's")

    def _call(self, method: str, *params: object) -> object:
        body = json.dumps({"jsonrpc": "1.0", "id": "proof", "method": method, "params": params}).encode()
        try:
            answer = json.loads(self._fetcher.fetch("", what=method, body=body))
        except (ValueError, RecursionError) as error:
            raise HeaderUnavailableError(f"the node answers {method} without JSON") from error
        if not isinstance(answer, dict) or answer.get("error") is not None:
            raise HeaderUnavailableError(f"the node cannot answer {method}")
        return answer.get("result")


def check_depth(height: int, tip_height: int) -> None:
    """Raise HeaderUnavailableError if a block has fewer than CONFIRMATIONS_MIN confirmations under this tip."""
    confirmations = tip_height - height + 1
    if confirmations < CONFIRMATIONS_MIN:
        raise HeaderUnavailableError(f"block {height} has {max(confirmations, 0)} confirmations of {CONFIRMATIONS_MIN}")


def parse_answered_header(raw: object, block_hash: object, *, whose: str) -> Header:
    """Parse a header in hexadecimal that a server gave for a block hash, as nodes print it.

    Raises HeaderUnavailableError if it is not a header, or another block's.
    """
    try:
        header = parse_header(bytes.fromhex(str(raw)))
        is_asked_for = header.block_hash == parse_display_hash(str(block_hash))
    except (ValueError, MalformedHeaderError) as error:
        raise HeaderUnavailableError(f"{whose} header is not a header") from error
    if not is_asked_for:
        raise HeaderUnavailableError(f"{whose} header has another hash than was asked for")
    return header


def parse_height(text: str) -> int | None:
    """Return the height that a text is, or None if it is none: ASCII digits, at most HEIGHT_DIGITS_MAX."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= HEIGHT_DIGITS_MAX else None


def parse_given_header(text: str) -> tuple[int, Header]:
    """Parse HEIGHT:HEX, a height and the 160 hexadecimal digits of its header.

    Raises UsageError if the text is not that.
    """
    number, _, digits = text.partition(":")
    height = parse_height(number)
    if height is None:
        raise UsageError("a header is given as HEIGHT:HEX")
    try:
        return height, parse_header(bytes.fromhex(digits))
    except (ValueError, ProofError) as error:
        raise UsageError(f"the header of block {height} is not 160 hexadecimal digits") from error
