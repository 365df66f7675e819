"""How the bytes of an upload come from the web server: without a copy where it lets us, else as Django reads them."""

from collections.abc import Callable
from typing import Any

from gunicorn.http.body import Body, LengthReader

from storage.services.receiving import Stream


class CopiedStream:
    """A body that is read in new pieces of memory, as WSGI has it."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readinto(self, buffer: memoryview, /) -> int:
        """Read up to as many bytes as there is room for; return how many, 0 at the end."""
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class SocketStream:
    """A body of known length that is read straight from Gunicorn's socket.

    Gunicorn's own reading takes more time than both hashes: each piece gets new memory and is copied three times. What
    was read is taken off the length that its reader still expects, so that it finds the next request.
    """

    def __init__(self, body: Body, connection: Any) -> None:
        self._body, self._reader, self._connection = body, body.reader, connection

    def readinto(self, buffer: memoryview, /) -> int:
        """Read up to as many bytes as there is room for; return how many, 0 at the end."""
        room = buffer[: min(len(buffer), self._reader.length)]
        if not room:
            return 0
        taken = self._take_early(room)
        if not taken:
            try:
                taken = self._connection.recv_into(room)
            except OSError:
                # Where another request would begin is unknown.
                self._body.failed = True
                raise
        self._reader.length -= taken
        return taken

    def _take_early(self, room: memoryview) -> int:
        """Take what came together with the head of the request, and leave the rest of it."""
        early: bytes = self._reader.unreader.take_buffered()
        taken = min(len(early), len(room))
        room[:taken] = early[:taken]
        if taken < len(early):
            self._reader.unreader.unread(early[taken:])
        return taken


def open_stream(environ: dict[str, Any], read: Callable[[int], bytes]) -> Stream:
    """Return a request's body, none of it read yet; `read` is Django's way to it, which ends at Content-Length.

    Nobody may have begun to read the body.
    """
    body, connection = environ.get("wsgi.input"), environ.get("gunicorn.socket")
    if connection is not None and isinstance(body, Body) and isinstance(body.reader, LengthReader):
        return SocketStream(body, connection)
    return CopiedStream(read)
