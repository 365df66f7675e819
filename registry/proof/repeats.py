"""Finding a leaf that stands twice, among more leaves than fit into memory.

Leaves are dealt by their first byte to 256 files in a folder for temporary files; each file is then small enough to be
looked at alone, and is dealt again by the next byte if it is not. It needs 32 bytes of disk for each leaf (3.2 GB for
100 million), and no disk at all up to a million leaves.
"""

from itertools import pairwise
from pathlib import Path

from registry.proof.hashes import HASH_BYTES

WAYS = 256
BUFFER_BYTES_MAX = 32 * 1024 * 1024
"""Leaves held in memory until they are written: a million."""

FILE_BYTES_MAX = 16 * 1024 * 1024
"""A file that is looked at in one piece: half a million leaves, which take about 60 MB as a set."""


class LeafPile:
    """Leaves of 32 bytes; `find_repeated` says which of them stands twice.

    `folder` is for the pile alone. Leaves are dealt by their byte number `depth`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        buffer_bytes_max: int = BUFFER_BYTES_MAX,
        file_bytes_max: int = FILE_BYTES_MAX,
        depth: int = 0,
    ) -> None:
        self._folder = folder
        self._buffer_bytes_max, self._file_bytes_max = buffer_bytes_max, file_bytes_max
        self._depth = depth
        self._buffers = [bytearray() for _ in range(WAYS)]
        self._held_bytes = 0

    def add(self, leaves: list[bytes]) -> None:
        """Add leaves."""
        buffers, depth = self._buffers, self._depth
        for leaf in leaves:
            buffers[leaf[depth]] += leaf
        self._held_bytes += len(leaves) * HASH_BYTES
        if self._held_bytes > self._buffer_bytes_max:
            self._write_buffers()

    def find_repeated(self) -> bytes | None:
        """Return a leaf that stands twice, or None. The pile is empty afterwards."""
        for way in range(WAYS):
            if repeated := self._find_in(way):
                return repeated
        return None

    def _find_in(self, way: int) -> bytes | None:
        path = self._get_path(way)
        if path.exists():
            # So the way's last leaves are in the file too.
            self._append(way)
            if path.stat().st_size > max(self._file_bytes_max, HASH_BYTES):
                return self._deal_again(path, way)
            data = path.read_bytes()
            path.unlink()
        else:
            data = bytes(self._buffers[way])
            self._buffers[way].clear()
        return _find_repeated(_split(data))

    def _deal_again(self, path: Path, way: int) -> bytes | None:
        """Look at a file that is too large, dealt by the next byte of its leaves."""
        if self._depth == HASH_BYTES - 1:
            # All 32 bytes of these leaves are the same.
            with path.open("rb") as stream:
                return stream.read(HASH_BYTES)
        folder = self._folder / f"{way:02x}"
        folder.mkdir()
        pile = LeafPile(
            folder,
            buffer_bytes_max=self._buffer_bytes_max,
            file_bytes_max=self._file_bytes_max,
            depth=self._depth + 1,
        )
        with path.open("rb") as stream:
            while data := stream.read(FILE_BYTES_MAX):
                pile.add(_split(data))
        path.unlink()
        return pile.find_repeated()

    def _write_buffers(self) -> None:
        for way, buffer in enumerate(self._buffers):
            if buffer:
                self._append(way)
        self._held_bytes = 0

    def _append(self, way: int) -> None:
        # Opened anew each time: some systems allow a process no more than 256 open files.
        with self._get_path(way).open("ab") as stream:
            stream.write(self._buffers[way])
        self._buffers[way].clear()

    def _get_path(self, way: int) -> Path:
        return self._folder / f"{way:02x}.part"


def _split(data: bytes) -> list[bytes]:
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def _find_repeated(leaves: list[bytes]) -> bytes | None:
    if len(set(leaves)) == len(leaves):
        return None
    leaves.sort()
    return next(left for left, right in pairwise(leaves) if left == right)
