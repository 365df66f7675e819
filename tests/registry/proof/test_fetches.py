import base64
from http.server import BaseHTTPRequestHandler

import pytest

from registry.proof import fetches
from registry.proof.errors import HeaderUnavailableError, UsageError
from registry.proof.fetches import Fetcher
from tests.registry.proof.servers import drip, send, serve_answers


def test_takes_addresses_of_every_form_and_shows_no_secret():
    fetcher = Fetcher("http://alice:s%40cret@[::1]:8332/wallet?key=1", what="the node's")

    assert fetcher.name == "http://[::1]:8332"
    assert fetcher.join("") == "http://[::1]:8332/wallet?key=1"
    assert fetcher.join("/a") == "http://[::1]:8332/wallet/a?key=1"
    assert Fetcher("https://node.example", what="the node's").join("") == "https://node.example"


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "http://", "http://[", "http://a:99999", "ftp://host"])
def test_refuses_what_is_no_address(url: str):
    with pytest.raises(UsageError, match="the node's address"):
        Fetcher(url, what="the node's")


def test_sends_the_password_only_if_the_address_has_one():
    seen: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        send(handler, b"yes")

    with serve_answers(answer) as url:
        assert Fetcher(url, what="").fetch("/a", what="a") == b"yes"
        assert Fetcher(url.replace("//", "//alice:p%40ss@"), what="").fetch("", what="a", body=b"{}") == b"yes"

    assert seen == [None, "Basic " + base64.b64encode(b"alice:p@ss").decode()]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", [None, b"{}"])
def test_follows_no_redirect(status: int, body: bytes | None):
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        send(handler, b"", status=status, Location="/elsewhere")

    with serve_answers(answer) as url, pytest.raises(HeaderUnavailableError, match=f"refuses it: status {status}"):
        Fetcher(url, what="").fetch("/here", what="it", body=body)

    assert asked == ["/here"]


def test_uses_no_proxy(monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    with serve_answers(lambda handler: send(handler, b"direct")) as url:
        assert Fetcher(url, what="").fetch("/", what="it") == b"direct"


@pytest.mark.parametrize("length", [fetches.ANSWER_BYTES_MAX, fetches.ANSWER_BYTES_MAX + 1, 5_000_000])
def test_an_answer_over_the_limit_is_refused(length: int):
    with serve_answers(lambda handler: send(handler, bytes(length))) as url:
        if length == fetches.ANSWER_BYTES_MAX:
            assert Fetcher(url, what="").fetch("/", what="it") == bytes(length)
        else:
            with pytest.raises(HeaderUnavailableError, match="more than 65536 bytes"):
                Fetcher(url, what="").fetch("/", what="it")


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetches, "ANSWER_TIMEOUT_S", 0.2)

    with (
        serve_answers(lambda handler: drip(handler, pieces=40, pause_s=0.05)) as url,
        pytest.raises(HeaderUnavailableError, match="takes longer"),
    ):
        Fetcher(url, what="").fetch("/", what="it")


def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fetches, "ANSWER_TIMEOUT_S", 0.2)

    with (
        serve_answers(lambda handler: drip(handler, pieces=2, pause_s=0.6)) as url,
        pytest.raises(HeaderUnavailableError, match="timed out"),
    ):
        Fetcher(url, what="").fetch("/", what="it")


def test_what_is_no_http_gives_no_answer():
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    with serve_answers(answer) as url, pytest.raises(HeaderUnavailableError, match="does not answer it"):
        Fetcher(url, what="").fetch("/", what="it")


def test_the_path_of_a_request_cannot_be_broken_out_of():
    with serve_answers(lambda handler: send(handler, b"")) as url, pytest.raises(HeaderUnavailableError):
        Fetcher(url, what="").fetch("/a b\r\nX: y", what="it")
