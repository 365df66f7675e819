"""Fetching ciphertext: once, in order, in as many requests as it takes, and paid for within what was agreed."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing

import requests
import urllib3

from client.api import Api
from client.errors import BlobMismatchError, PriceNotAcceptedError, ProtocolError, ServerUnavailableError
from client.offers import Offer
from client.paces import Pace

READ_BYTES = 256 * 1024
_PASS = re.compile("[A-Za-z0-9_-]{43}")


class Fetching:
    """Brings a blob's ciphertext, and adds up what that cost.

    `transfer_pass` is what an anonymous reader shows to go on with a transfer that counts; `keep_pass` gets a new one.
    """

    def __init__(
        self,
        api: Api,
        offer: Offer,
        *,
        price_max_msat: int,
        pace: Pace,
        transfer_pass: str | None = None,
        keep_pass: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._api, self._offer, self._pace = api, offer, pace
        self._price_max_msat = price_max_msat
        self._transfer_pass, self._keep_pass = transfer_pass, keep_pass
        self.charged_msat: int | None = None
        self.transfer_id: str | None = None

    def iterate(self, start: int) -> Iterator[bytes]:
        """Yield the blob's bytes from `start` on.

        Gives up after `attempts_max` failures in a row without a byte in between. Raises what `Api.open_content`
        raises, ProtocolError, BlobMismatchError if there are too many bytes, PriceNotAcceptedError if all answers
        together cost more than was agreed to.
        """
        position, failures = start, 0
        while position < self._offer.info.length:
            before = position
            try:
                for piece in self._fetch_rest(position):
                    position += len(piece)
                    yield piece
            except ServerUnavailableError as error:
                failures = 1 if position > before else failures + 1
                if failures >= self._api.server.attempts_max:
                    raise
                self._api.server.wait_after_failure(failures - 1, error)

    def _fetch_rest(self, held: int) -> Iterator[bytes]:
        response = self._api.open_content(
            self._offer.link.id,
            offset=held,
            price_max_msat=self._price_max_msat - (self.charged_msat or 0),
            transfer_pass=self._transfer_pass,
        )
        with closing(response):
            self._note_charge(response)
            self._note_pass(response)
            position = _find_start(response, held, self._offer.info.length)
            for piece in self._read(response, position):
                # A server that ignores the range sends again what is held already.
                if wanted := piece[max(0, held - position) :]:
                    yield wanted
                position += len(piece)

    def _read(self, response: requests.Response, position: int) -> Iterator[bytes]:
        size = self._pace.limit_piece(READ_BYTES)
        try:
            # `iter_content` would drop what arrived before the connection broke, up to the size of a piece.
            while piece := response.raw.read1(size):
                position += len(piece)
                if position > self._offer.info.length:
                    raise BlobMismatchError("The server sends more bytes than the blob has.")
                self._pace.wait(len(piece))
                yield piece
        except urllib3.exceptions.HTTPError as error:
            raise ServerUnavailableError(f"The connection broke ({type(error).__name__}).") from error
        if position < self._offer.info.length:
            raise ServerUnavailableError("The server closed the connection early.")

    def _note_charge(self, response: requests.Response) -> None:
        self.transfer_id = self.transfer_id or response.headers.get("Cadastre-Transfer")
        charged = response.headers.get("Cadastre-Charged-Msat")
        if charged is None:
            return
        if not re.fullmatch("[0-9]{1,19}", charged):
            raise ProtocolError("The server's answer has a malformed charge.")
        self.charged_msat = (self.charged_msat or 0) + int(charged)
        if self.charged_msat > self._price_max_msat:
            raise PriceNotAcceptedError(
                f"The server charged {self.charged_msat} msat, more than the {self._price_max_msat} msat agreed to."
            )

    def _note_pass(self, response: requests.Response) -> None:
        given = response.headers.get("Cadastre-Pass")
        if given is None:
            return
        if not _PASS.fullmatch(given):
            raise ProtocolError("The server's answer has a malformed pass.")
        if given != self._transfer_pass:
            self._transfer_pass = given
            self._keep_pass(given)


def _find_start(response: requests.Response, held: int, length: int) -> int:
    """Return where the answer's bytes belong: at `held`, or at 0 if the server sends everything again."""
    if response.status_code == 200:  # noqa: PLR2004 - RFC 9110: the whole content
        return 0
    ranges = re.fullmatch(
        r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", response.headers.get("Content-Range", ""), re.ASCII
    )
    if response.status_code != 206 or not ranges or not held:  # noqa: PLR2004 - RFC 9110: partial content
        raise ProtocolError("The server's answer to a request for a range is malformed.")
    if tuple(map(int, ranges.groups())) != (held, length - 1, length):
        raise ProtocolError("The server sends another range than the one asked for.")
    return held
