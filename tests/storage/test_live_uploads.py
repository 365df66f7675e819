"""Uploads through a real web server in its own process: cut connections, kills, and how much memory it takes."""

import hashlib
import json
import signal
import time
from collections.abc import Iterator

import pytest

from tests.storage.live_servers import LiveServer

MIB = 1024 * 1024

pytestmark = [pytest.mark.slow, pytest.mark.own_engine]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A running server."""
    live = LiveServer(tmp_path_factory.mktemp("live"), CADASTRE_UPLOAD_IDLE_SECONDS="2")
    yield live
    live.stop()
    live.listener.close()


def make_content(length: int) -> bytes:
    return hashlib.shake_256(b"content").digest(length)


def yield_blocks(block: bytes, count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield block


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "chunked"])
def test_a_large_request_is_never_held_in_memory(server: LiveServer, is_chunked: bool):
    block = make_content(MIB)
    server.send("HEAD", server.create(1))
    path, peak_kib = server.create(64 * MIB), server.get_peak_kib()
    headers = {"Transfer-Encoding": "chunked"} if is_chunked else {"Content-Length": str(64 * MIB)}

    answer = server.patch(path, 0, yield_blocks(block, 64), headers=headers, encode_chunked=is_chunked)

    assert (answer.status, answer.headers["Upload-Offset"]) == (204, str(64 * MIB))
    assert server.get_peak_kib() - peak_kib < 16 * 1024


def test_a_chunked_request_that_is_too_long_keeps_nothing(server: LiveServer):
    path = server.create(MIB)

    answer = server.patch(
        path, 0, yield_blocks(make_content(MIB), 2), headers={"Transfer-Encoding": "chunked"}, encode_chunked=True
    )

    assert (answer.status, json.loads(server.body)["code"]) == (413, "upload-overflow")
    assert server.get_offset(path) == 0


def test_a_cut_connection_keeps_what_arrived_and_the_rest_follows(server: LiveServer):
    content, cut = make_content(MIB), 300_001
    path = server.create(len(content))

    server.begin_patch(path, len(content), content[:cut]).close()
    server.wait_for_offset(path, cut)
    answer = server.patch(path, cut, content[cut:])

    assert answer.status == 204
    assert server.make_link(path, content)["sha256"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_second_request_is_refused_while_the_first_is_under_way(server: LiveServer):
    content = make_content(MIB)
    path = server.create(len(content))
    partial = server.folder / "uploads" / path.rpartition("/")[2]

    with server.begin_patch(path, len(content), content[:300_000]):
        deadline = time.monotonic() + 20
        while not partial.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        second = server.patch(path, 0, content)
        code = json.loads(server.body)["code"]

    assert (second.status, code) == (423, "upload-busy")
    assert second.headers["Retry-After"] == "1"
    server.wait_for_offset(path, 300_000)


def test_a_killed_server_counts_only_what_was_on_the_disk(server: LiveServer):
    content = make_content(MIB)
    path = server.create(len(content))
    partial = server.folder / "uploads" / path.rpartition("/")[2]

    with server.begin_patch(path, len(content), content[:600_000]):
        deadline = time.monotonic() + 20
        while not (partial.exists() and partial.stat().st_size >= 500_000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.stop(signal.SIGKILL)
    server.start()
    offset = server.get_offset(path)
    answer = server.patch(path, offset, content[offset:])

    assert offset == 0
    assert answer.status == 204
    assert server.make_link(path, content)["sha256"] == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_client_that_sends_a_piece_of_a_few_mib_is_told_why_it_is_refused(server: LiveServer):
    path = server.create(5 * MIB)

    answers = [server.patch(path, 1, make_content(4 * MIB)).status for _ in range(5)]

    assert answers == [409] * 5


def test_a_client_that_falls_silent_keeps_its_upload_for_a_short_time_only(server: LiveServer):
    """As after a change of network: the old connection is still open, and the client begins a new one."""
    content = make_content(MIB)
    path = server.create(len(content))

    with server.begin_patch(path, len(content), content[:300_000]) as silent:
        server.wait_for_offset(path, 300_000)
        answer = server.patch(path, 300_000, content[300_000:])
        silent.settimeout(10)
        said = silent.recv(65536)

    assert answer.status == 204
    assert said.startswith(b"HTTP/1.1 400 ")
    assert server.make_link(path, content)["length"] == len(content)


def test_of_two_clients_that_send_at_once_one_wins_at_every_offset(server: LiveServer):
    """Each sends its own bytes; what is stored is never a mixture within one request."""
    piece = 100_000
    contents = [bytes([letter]) * (5 * piece) for letter in b"ab"]
    path = server.create(5 * piece)
    for offset in range(0, 5 * piece, piece):
        connections = [
            server.begin_patch(path, piece, content[offset : offset + piece], offset=offset) for content in contents
        ]
        statuses = []
        for connection in connections:
            with connection:
                statuses.append(connection.recv(65536).split()[1])
        assert sorted(statuses)[0] == b"204"
        assert sorted(statuses)[1] in {b"409", b"423"}

    stored = (server.folder / "uploads" / path.rpartition("/")[2]).read_bytes()
    pieces = {stored[offset : offset + piece] for offset in range(0, 5 * piece, piece)}
    assert len(stored) == 5 * piece
    assert pieces <= {content[:piece] for content in contents}
