"""The links that were made here: what opens them, what deletes them, and under which names.

One file of JSON lines in the command's folder, readable by its user alone. A link is put on the disk before it is
handed out: its key exists nowhere else, for the server never had it. The newest line about a link counts.
"""

import base64
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from client.config import write_private_file
from client.durability import make_private_folder, sync_folder
from client.errors import KeptLinksError

FILE_NAME = "links.jsonl"
LOCK_NAME = "links.lock"


@dataclass(frozen=True)
class KeptLink:
    """A link as it was handed out, locked if it has a password; the token deletes it without an account."""

    server: str
    id: str
    link: str = field(repr=False)
    name: str
    size: int
    kept_at: str
    deletion_token: str | None = field(repr=False)

    def get_deletion_token(self) -> bytes | None:
        """Return the 32 bytes of the deletion token, if there is one."""
        return None if self.deletion_token is None else decode_token(self.deletion_token)


class KeptLinks:
    """The file of links in the command's folder `home`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / FILE_NAME

    def add(self, *links: KeptLink) -> None:
        """Write links to the end of the file, and return once they are on the disk."""
        data = "".join(_dump(link) for link in links).encode("ascii")
        with self._lock():
            is_new = not self._path.exists()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as stream:
                stream.seek(_find_end(stream))
                stream.truncate()
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if is_new:
                sync_folder(self._home)

    def list(self) -> list[KeptLink]:
        """Return the links, each once, in the order in which they were first kept.

        Raises KeptLinksError if the file is damaged.
        """
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        # A power cut may leave half a line at the end: that link was not handed out yet.
        lines = data.splitlines() if data.endswith(b"\n") else data.splitlines()[:-1]
        links = (self._parse(number, line) for number, line in enumerate(lines, 1))
        return list({(link.server, link.id): link for link in links}.values())

    def find(self, *, server: str, link_id: str) -> KeptLink | None:
        """Return what is kept about a link of a server."""
        return next((link for link in self.list() if (link.server, link.id) == (server, link_id)), None)

    def remove(self, *, server: str, link_ids: Iterable[str]) -> None:
        """Forget links of a server."""
        gone = {(server, link_id) for link_id in link_ids}
        with self._lock():
            kept = [link for link in self.list() if (link.server, link.id) not in gone]
            write_private_file(self._path, "".join(_dump(link) for link in kept).encode("ascii"))

    @contextmanager
    def _lock(self) -> Iterator[None]:
        make_private_folder(self._home)
        with (self._home / LOCK_NAME).open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _parse(self, number: int, line: bytes) -> KeptLink:
        try:
            document = json.loads(line)
            return KeptLink(**document)
        except (ValueError, TypeError) as error:
            raise KeptLinksError(f"Line {number} of {self._path} is damaged.") from error


def encode_token(token: bytes) -> str:
    """Return a deletion token as the interface spells it: base64url without padding."""
    return base64.urlsafe_b64encode(token).decode("ascii").rstrip("=")


def decode_token(text: str) -> bytes:
    """Return the bytes of a deletion token. Raises ValueError for anything else than base64url."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _dump(link: KeptLink) -> str:
    return json.dumps(asdict(link)) + "\n"


def _find_end(stream: BinaryIO) -> int:
    """Return where the next line starts: after the last one that is whole."""
    size = stream.seek(0, os.SEEK_END)
    if not size:
        return 0
    stream.seek(size - 1)
    if stream.read(1) == b"\n":
        return size
    stream.seek(0)
    return stream.read().rfind(b"\n") + 1
