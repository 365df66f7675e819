"""The rows of uploads: through the web server to the disk, digested, against the same hashes and a copy.

`python -m bench.uploads` measures these rows alone.
"""

import hashlib
import os
import random
import sys
from pathlib import Path

from bench.rows import Row, compare, print_table, time_call
from bench.web_server import FOLDER, WebServer
from storage.digest import BLOCK_BYTES

UPLOAD_BYTES = 512 * 2**20
PIECE_BYTES = 256 * 1024
SEED = 85
MEMORY_MAX_MB = 60
MEGA = 10**6
MEDIA_TYPE = "application/offset+octet-stream"


def measure(upload_bytes: int = UPLOAD_BYTES) -> list[Row]:
    """Return the rows of time and of memory."""
    with WebServer() as server:
        source = make_source(upload_bytes)
        digest(source)
        send(server, source)
        before_bytes = server.get_present_bytes()
        size = f"{upload_bytes // 2**20} MiB"
        row = compare(
            f"upload of {size} to disk, with digests",
            lambda: send(server, source),
            "hashlib over the same bytes, and an fsynced copy",
            lambda: time_call(lambda: copy(source)),
        )
        peak_bytes = server.get_peak_bytes()
    total = Row(f"memory of the worker that took {size}", peak_bytes / MEGA, "none", before_bytes / MEGA, None, "M")
    added = Row(
        "memory that uploads added", (peak_bytes - before_bytes) / MEGA, f"the limit of {MEMORY_MAX_MB} MB",
        MEMORY_MAX_MB, 1.0, "M",
    )  # fmt: skip
    return [row, total, added]


def make_source(length: int) -> Path:
    """Write a file of so many random bytes beside the server's data and return it."""
    path, chance = FOLDER / "source", random.Random(SEED)  # noqa: S311 - the same bytes in every run
    with path.open("wb") as stream:
        for _ in range(length // 2**20):
            stream.write(chance.randbytes(2**20))
        os.fsync(stream.fileno())
    return path


def send(server: WebServer, source: Path) -> float:
    """Upload a file by one request and return the seconds it took, up to the answer after the last byte."""
    server.send("POST", "/uploads", headers={"Upload-Length": str(source.stat().st_size)})
    path = str(server.answered["Location"]).removeprefix("/api/v1")
    headers = {"Upload-Offset": "0", "Content-Type": MEDIA_TYPE, "Content-Length": str(source.stat().st_size)}
    with source.open("rb") as stream:
        seconds = time_call(lambda: server.send("PATCH", path, headers=headers, body=stream))
    if server.get_offset(path) != source.stat().st_size:
        raise RuntimeError("bytes are missing")
    server.send("DELETE", path)
    return seconds


def copy(source: Path) -> None:
    """Copy a file, fsynced, and hash its bytes as the digest of a blob does: as a whole, by blocks, and in pairs."""
    target = source.with_name("copy")
    with source.open("rb") as stream, target.open("wb", buffering=0) as copied:
        while piece := stream.read(PIECE_BYTES):
            copied.write(piece)
        os.fsync(copied.fileno())
    digest(source)
    target.unlink()


def digest(source: Path) -> tuple[bytes, bytes]:
    """Hash a file as a whole and by blocks, which join in pairs."""
    whole, level = hashlib.sha256(), []
    with source.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            whole.update(piece)
            view = memoryview(piece)
            level += [hashlib.sha256(view[at : at + BLOCK_BYTES]).digest() for at in range(0, len(view), BLOCK_BYTES)]
    while len(level) > 1:
        level = [hashlib.sha256(level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]
    return whole.digest(), level[0]


if __name__ == "__main__":
    print_table(measure())
    sys.exit(0)
