"""Headers asked of a block explorer that speaks Esplora's REST interface."""

import json

from registry.proof.errors import HeaderUnavailableError, MalformedHeaderError
from registry.proof.fetches import Fetcher
from registry.proof.headers import Header, display_hash, parse_display_hash
from registry.proof.sources import check_depth, parse_answered_header, parse_height


class EsploraHeaders:
    """A source of headers at an address such as https://explorer.example/api.

    Raises UsageError if the address is not such an address.
    """

    def __init__(self, url: str) -> None:
        self._fetcher = Fetcher(url.rstrip("/"), what="the explorer's")
        self._headers: dict[int, Header] = {}

    @property
    def name(self) -> str:
        """The explorer's address without what may be secret."""
        return self._fetcher.name

    def get_header(self, height: int) -> Header:
        """Return the explorer's header at a height.

        Raises HeaderUnavailableError if it does not answer as Esplora does, or the block has too few confirmations.
        """
        if height not in self._headers:
            self._headers[height] = self._ask_header(height)
        return self._headers[height]

    def find_height(self, block_hash: bytes) -> int | None:
        """Return the height of a block of the explorer's best chain, or None if it is not there."""
        try:
            status = json.loads(self._ask(f"/block/{display_hash(block_hash)}/status"))
        except (HeaderUnavailableError, ValueError, RecursionError):
            return None
        if not isinstance(status, dict) or status.get("in_best_chain") is not True:
            return None
        height = status.get("height")
        return height if isinstance(height, int) else None

    def _ask_header(self, height: int) -> Header:
        tip_height = parse_height(self._ask("/blocks/tip/height"))
        if tip_height is None:
            raise HeaderUnavailableError("the explorer's height is not a number")
        check_depth(height, tip_height)
        block_hash = self._ask(f"/block-height/{height}")
        try:
            parse_display_hash(block_hash)
        except MalformedHeaderError as error:
            raise HeaderUnavailableError("the explorer's block hash is none") from error
        return parse_answered_header(self._ask(f"/block/{block_hash}/header"), block_hash, whose="the explorer's")

    def _ask(self, path: str) -> str:
        return self._fetcher.fetch(path, what=path).decode("latin-1").strip()
