"""`python -m bench.cuts [GB]`: a large sparse file is uploaded over a connection that is cut ten times.

The client's file takes no room. The server's takes all of it: ciphertext has no holes that would be worth keeping.
At the end the server has the digest that the client computed from the file: it was carried over every cut.
"""

import base64
import random
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.uploads import MEDIA_TYPE
from bench.web_server import FOLDER, WebServer
from storage.digest import Digest, digest_stream

GIGA = 10**9
SIZE_GB = 20
CUTS = 10
SEED = 85
SPARE_BYTES = 2 * GIGA
WAIT_SECONDS = 60
MANIFEST = b"age-encryption.org/v1\nstands for a manifest"


def main(arguments: Sequence[str]) -> int:
    """Upload, cut, resume, and print what it took."""
    wanted_bytes = int(float(arguments[0]) * GIGA) if arguments else SIZE_GB * GIGA
    with WebServer() as server:
        size = min(wanted_bytes, (shutil.disk_usage(FOLDER).free - SPARE_BYTES) // GIGA * GIGA)
        if size < wanted_bytes:
            print(f"The disk has room for {size / GIGA:.0f} GB only.")
        run(server, size)
    return 0


def run(server: WebServer, size: int) -> None:
    """Upload a sparse file of so many bytes, and print the rate and the memory."""
    source = FOLDER / "sparse"
    with source.open("wb") as stream:
        stream.truncate(size)
    server.send("POST", "/uploads", headers={"Upload-Length": str(size)})
    path = str(server.answered["Location"]).removeprefix("/api/v1")
    before_bytes = server.get_present_bytes()
    offset, seconds = 0, 0.0
    for end in [*sorted(random.Random(SEED).sample(range(1, size), CUTS)), size]:  # noqa: S311 - the same cuts each time
        began_s = time.perf_counter()
        send_part(server, path, source, offset, end)
        seconds += time.perf_counter() - began_s
        print(f"{offset:>15,} to {end:>15,}: {'cut' if end < size else 'whole'}", flush=True)
        offset = end
    added_mb = (server.get_peak_bytes() - before_bytes) / 10**6
    with source.open("rb") as stream:
        make_link(server, path, digest_stream(stream))
    print(f"{size:,} bytes, cut {CUTS} times, in {seconds:.1f} s: {size / seconds / 10**6:.0f} MB/s.")
    print(
        f"The worker needed {server.get_peak_bytes() / 10**6:.1f} MB at its peak, {added_mb:.1f} MB of them to upload."
    )
    print("The digest that was carried over the cuts is the one of the file.")


def send_part(server: WebServer, path: str, source: Path, offset: int, end: int) -> None:
    """Announce all that is missing, send the bytes up to `end`, close the connection, and wait until they count."""
    size = source.stat().st_size
    lines = [f"PATCH /api/v1{path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size - offset}"]
    headers = {**server.headers, "Upload-Offset": str(offset), "Content-Type": MEDIA_TYPE}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", server.port)) as connection, source.open("rb") as stream:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        connection.sendfile(stream, offset, end - offset)
        if end == size:
            connection.recv(1)
    deadline = time.monotonic() + WAIT_SECONDS
    while (counted := server.get_offset(path)) != end:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{counted} bytes count of {end} that were sent")
        time.sleep(0.02)


def make_link(server: WebServer, path: str, found: Digest) -> None:
    """Ask for the link of an upload. Raises RuntimeError if the server has another digest."""
    document = {
        "upload": path.rpartition("/")[2],
        "sha256": f"sha256:{found.sha256.hex()}",
        "length": found.length,
        "root": f"sha256:{found.root.hex()}",
        "manifest": base64.b64encode(MANIFEST).decode(),
        "seal": "00" * 32,
        "price": {"amount_msat": 0},
    }
    server.request("POST", "/links", document=document, key=path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
