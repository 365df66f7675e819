"""How bodies are read from Gunicorn's connection, and from any other server's."""

import io
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from gunicorn.http.body import Body, ChunkedReader, EOFReader, LengthReader
from gunicorn.http.unreader import SocketUnreader

from storage.api.streams import CopiedStream, SocketStream, open_stream

NEXT = b"GET / HTTP/1.1"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's and a server's end of a connection."""
    left, right = socket.socketpair()
    with closing(left), closing(right):
        yield left, right


def open_body(server: socket.socket, length: int, early: bytes) -> tuple[Body, SocketUnreader]:
    """Return a body of which Gunicorn has read some together with the head of its request."""
    unreader = SocketUnreader(server)
    unreader.unread(early)
    return Body(LengthReader(unreader, length)), unreader


def read_all(stream: SocketStream, size: int) -> list[bytes]:
    """Read to the end, so many bytes at a time."""
    pieces, buffer = [], bytearray(size)
    while count := stream.readinto(memoryview(buffer)):
        pieces.append(bytes(buffer[:count]))
    return pieces


@pytest.mark.parametrize("size", [1, 3, 10, 64])
@pytest.mark.parametrize("early", [0, 2, 10], ids=["nothing early", "some early", "all early"])
def test_reads_what_came_early_and_the_rest_and_leaves_the_next_request(
    pair: tuple[socket.socket, socket.socket], size: int, early: int
):
    client, server = pair
    content = b"0123456789"
    body, unreader = open_body(server, len(content), content[:early] + (NEXT if early == 10 else b""))
    client.sendall(content[early:])

    pieces = read_all(SocketStream(body, server), size)

    assert b"".join(pieces) == content
    assert body.reader.length == 0
    assert body.read(10) == b""
    assert unreader.take_buffered() == (NEXT if early == 10 else b"")


def test_a_body_that_ends_early_is_at_its_end(pair: tuple[socket.socket, socket.socket]):
    client, server = pair
    body, _ = open_body(server, 10, b"")
    client.sendall(b"0123")
    client.close()

    assert b"".join(read_all(SocketStream(body, server), 64)) == b"0123"
    assert body.reader.length == 6


def test_a_connection_on_which_nothing_comes_breaks_and_takes_no_other_request(
    pair: tuple[socket.socket, socket.socket],
):
    _, server = pair
    body, _ = open_body(server, 10, b"")
    server.settimeout(0.01)

    with pytest.raises(TimeoutError):
        SocketStream(body, server).readinto(memoryview(bytearray(4)))

    assert body.failed


def test_other_bodies_are_read_as_wsgi_has_it(pair: tuple[socket.socket, socket.socket]):
    unreader = SocketUnreader(pair[1])
    length, until_closed = Body(LengthReader(unreader, 1)), Body(EOFReader(unreader))
    chunked = Body(ChunkedReader.__new__(ChunkedReader))
    content = io.BytesIO(b"0123456789")

    for environ in (
        {},
        {"wsgi.input": length},
        {"wsgi.input": chunked, "gunicorn.socket": pair[1]},
        {"wsgi.input": until_closed, "gunicorn.socket": pair[1]},
        {"wsgi.input": content, "gunicorn.socket": pair[1]},
    ):
        assert isinstance(open_stream(environ, content.read), CopiedStream)
    assert isinstance(open_stream({"wsgi.input": length, "gunicorn.socket": pair[1]}, content.read), SocketStream)


def test_a_copied_body_fills_what_it_is_given():
    buffer = bytearray(6)
    stream = CopiedStream(io.BytesIO(b"0123456789").read)

    counts = [stream.readinto(memoryview(buffer)) for _ in range(3)]

    assert counts == [6, 4, 0]
    assert bytes(buffer) == b"678945"
