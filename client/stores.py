"""The store that a server keeps blobs in, to which it sends its clients: by addresses that are enough in themselves.

The store is no part of the interface and is not trusted more than the network: it gets ciphertext, and no token.
"""

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import requests

from client.connections import Server
from client.errors import ProtocolError, ServerUnavailableError

_PASSED_ON = ("Cadastre-Transfer", "Cadastre-Charged-Msat", "Cadastre-Pass")


def follow_to_store(server: Server, answer: requests.Response, headers: Mapping[str, str]) -> requests.Response:
    """Return the store's answer in the place of a redirect, with what the server's answer says about the charge.

    Any other answer is returned as it is. Raises ProtocolError if the address is none, ServerUnavailableError if the
    store does not send the bytes: asking the server again gives another address.
    """
    if answer.status_code != HTTPStatus.TEMPORARY_REDIRECT:
        return answer
    with answer:
        url = check_store_url(answer.headers.get("Location", ""))
    wanted = {name: headers[name] for name in ("Range", "Accept-Encoding") if name in headers}
    sent = server.request_store("GET", url, headers=wanted)
    if sent.status_code not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        with sent:
            raise ServerUnavailableError(f"The store answered {sent.status_code}.")
    for name in _PASSED_ON:
        # What the store says about charges is not the server's word.
        sent.headers.pop(name, None)
        if name in answer.headers:
            sent.headers[name] = answer.headers[name]
    return sent


def check_store_url(url: str) -> str:
    """Return an address of a store. Raises ProtocolError if it is no address of the web."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ProtocolError("The server sends its clients to an address that is none.")
    return url
