"""The pages in a real browser: hashing files, and nothing that sticks out of a phone."""

import hashlib
import io
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from django.contrib.staticfiles import finders
from pytest_django.live_server_helper import LiveServer

from registry.models import Anchor
from tests.browsers import Browser
from tests.factories.registry import make_anchor, make_document_record, make_record
from tests.factories.users import make_user

# The server runs in a thread of its own, so the rows must be committed.
pytestmark = pytest.mark.django_db(transaction=True)

PHONE, DESK = 390, 1280
READ_BYTES = 4 * 2**20
BORDER_LENGTHS = (0, 1, 3, 55, 56, 57, 63, 64, 65, 119, 120, 121, 127, 128, 129, 1_000)
CHUNK_LENGTHS = (READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, READ_BYTES + 64, 2 * READ_BYTES + 55)

HASH_IN_WORKER = """
    const [address, lengths] = arguments;
    const hashOne = (length) => new Promise((done, fail) => {
        const bytes = new Uint8Array(length);
        for (let at = 0; at < length; at += 1) bytes[at] = (at * 31 + 7) % 251;
        const worker = new Worker(address);
        worker.onerror = (event) => fail(new Error(event.message));
        worker.onmessage = ({ data }) => {
            if (data.error) fail(new Error(data.error));
            if (data.digest) { worker.terminate(); done(data.digest); }
        };
        worker.postMessage(new File([bytes], "file"));
    });
    return (async () => {
        const digests = [];
        for (const length of lengths) digests.push(await hashOne(length));
        return digests;
    })();
"""

DROP_FILE = """
    const transfer = new DataTransfer();
    transfer.items.add(new File([arguments[1]], "dropped.txt"));
    document.querySelector(arguments[0]).dispatchEvent(
        new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
"""


@pytest.fixture
def page(browser: Browser, live_server: LiveServer) -> Iterator[Browser]:
    """The browser on the search page; whatever it complained of fails the test."""
    browser.resize(DESK)
    browser.open(f"{live_server.url}/search")
    browser.read_complaints()
    yield browser
    assert browser.read_complaints() == []


def wait_for_search(page: Browser) -> str:
    """Return what the page comes to search for by itself."""

    def read_query() -> str:
        return parse_qs(urlparse(page.read_address()).query).get("q", [""])[0]

    query: str = page.wait_for(read_query, what="the search for a file's digest")
    return query


def make_bytes(length: int) -> bytes:
    """Return the bytes that the script in the page makes too."""
    turn = bytes((at * 31 + 7) % 251 for at in range(251))
    return (turn * (length // 251 + 1))[:length]


def test_the_worker_hashes_as_hashlib_does_around_every_border(page: Browser):
    lengths = [*BORDER_LENGTHS, *CHUNK_LENGTHS]

    digests = page.run(HASH_IN_WORKER, "/static/web/sha256_worker.js", lengths)

    assert digests == [hashlib.sha256(make_bytes(length)).hexdigest() for length in lengths]


def test_a_large_file_is_hashed_in_pieces_and_looked_up(page: Browser, tmp_path: Path):
    path = tmp_path / "large.bin"
    content = random.Random(0).randbytes(2**20) * 64 + b"end"
    path.write_bytes(content)
    page.run("window.seen = []; new MutationObserver(() => seen.push(document.querySelector('output').textContent))"
             ".observe(document.querySelector('output'), {childList: true});"
             "addEventListener('pagehide', () => sessionStorage.setItem('seen', seen.join('|')))")  # fmt: skip

    page.type("#file", str(path))

    assert wait_for_search(page) == hashlib.sha256(content).hexdigest()
    seen = page.run("return sessionStorage.getItem('seen')")
    assert "large.bin: 50 %" in seen or "large.bin: 4" in seen
    assert "Nothing in this register has" in page.run("return document.body.textContent")


def test_a_length_of_more_than_32_bits_is_hashed_right(page: Browser, tmp_path: Path):
    """From 512 MiB on, the length in bits takes the second word of the padding."""
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(2**29)
        file.seek(0, io.SEEK_END)
        file.write(b"end")

    page.type("#file", str(path))

    with path.open("rb") as file:
        assert wait_for_search(page) == hashlib.file_digest(file, "sha256").hexdigest()


def test_a_dropped_file_leads_to_its_record(page: Browser):
    bob = make_user("bob")
    record = make_record(bob, content=b"the very bytes that were uploaded")

    page.run(DROP_FILE, ".hash-file", "the very bytes that were uploaded")

    page.wait_for(lambda: page.read_address().endswith(f"/records/{record.id}/"), what="the record's page")


def test_a_file_is_sent_nowhere(page: Browser, live_server: LiveServer, tmp_path: Path):
    path = tmp_path / "secret.txt"
    path.write_bytes(b"secret" * 1_000)
    scripts = [Path(str(finders.find(f"web/{name}"))).read_text() for name in ("hash_file.js", "sha256_worker.js")]

    page.read_requests()

    page.type("#file", str(path))
    digest = wait_for_search(page)

    requests = page.read_requests()
    assert f"{live_server.url}/search?q={digest}" in [request["url"] for request in requests]
    assert {(request["method"], request.get("hasPostData", False)) for request in requests} == {("GET", False)}
    # The log has the page's requests; that the worker makes none is seen from what it is made of.
    for script in scripts:
        assert not any(word in script for word in ("fetch", "XMLHttpRequest", "sendBeacon", "WebSocket", "import"))


def test_without_scripts_the_page_says_what_to_do(page: Browser, live_server: LiveServer):
    page.call("goog/cdp/execute", {"cmd": "Emulation.setScriptExecutionDisabled", "params": {"value": True}})
    try:
        page.open(f"{live_server.url}/search")
        text = page.call("execute/sync", {"script": "return document.body.innerText", "args": []})
    finally:
        page.call("goog/cdp/execute", {"cmd": "Emulation.setScriptExecutionDisabled", "params": {"value": False}})

    assert "sha256sum FILE" in text
    assert "drop one here" not in text


def test_no_page_is_wider_than_its_window(page: Browser, live_server: LiveServer):
    for _ in range(5):
        make_document_record()
    record = make_record(make_user("bob"))
    anchor = make_anchor(state=Anchor.State.FINAL)
    assert anchor.current is not None
    waiting = make_document_record()
    addresses = [
        *("/", "/search?q=x", "/status", "/records/", "/anchors/", "/batches/0/", f"/anchors/{anchor.current.txid}/"),
        *(f"/records/{record.id}/", f"/records/{waiting.id}/"),
    ]

    for width in (PHONE, DESK):
        page.resize(width, is_phone=width == PHONE)
        for address in addresses:
            page.open(live_server.url + address)
            page.run("for (const part of document.querySelectorAll('details')) part.open = true")
            assert page.run("return document.documentElement.scrollWidth") <= width, (address, width)


def test_the_picture_of_the_way_is_seen_and_named(page: Browser, live_server: LiveServer):
    record = make_document_record()
    make_anchor()

    page.open(f"{live_server.url}/records/{record.id}/")

    box = page.run(
        "const b = document.querySelector('svg.drawing').getBoundingClientRect(); return [b.width, b.height]"
    )
    assert min(box) > 300
    assert page.read_name("svg.drawing") == "The record's way into Bitcoin"
