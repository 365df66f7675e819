"""The rows of `cadastre put`: processor time against pyrage and the same hashes, and many files on all processors.

`python -m bench.client [BYTES]` prints these rows alone. The command runs as a process of its own, against a server
that keeps nothing; processor time is what the system counted for that process, its start included.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import pyrage

from bench.memory import CHECKOUT
from bench.rows import Row, compare, print_table
from client.age.payload import SEALED_CHUNK_BYTES
from client.config import store_token
from client.uploads import SEGMENT_BYTES
from storage.digest import BlobDigest

FILE_BYTES = 512 * 1024 * 1024
FILES = 4
PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds of the clock, and of all processors together."""

    wall_s: float
    cpu_s: float


def measure(file_bytes: int = FILE_BYTES) -> list[Row]:
    """Return the rows."""
    with tempfile.TemporaryDirectory(prefix="cadastre-bench-") as name, serve_sink() as url:
        folder = Path(name)
        store_token(folder / "home", url, "token")
        large = folder / "large"
        write_random(large, file_bytes)
        parts = [folder / f"part{number}" for number in range(FILES)]
        for part in parts:
            write_random(part, file_bytes // FILES)
        megabytes = file_bytes // 1_000_000
        return [
            compare(
                f"cadastre put of {megabytes} MB, processor seconds",
                lambda: put(folder, [large]).cpu_s,
                "pyrage and the same hash passes",
                lambda: run_python(folder, "bench.client", "peer", str(large)).cpu_s,
                bar=1.3,
            ),
            compare(
                f"{FILES} files of {megabytes // FILES} MB at once",
                lambda: put(folder, parts, "--jobs", str(FILES)).wall_s,
                "one after the other",
                lambda: put(folder, parts, "--jobs", "1").wall_s,
                bar=0.75,
            ),
        ]


def put(folder: Path, paths: list[Path], *options: str) -> Spent:
    """Upload files."""
    return run_python(folder, "client.cli", "put", *options, *map(str, paths))


def run_python(folder: Path, module: str, *arguments: str) -> Spent:
    """Run a module in a process of its own, and return what it took."""
    environment = {**os.environ, "CADASTRE_HOME": str(folder / "home")}
    command = [sys.executable, "-m", module, *arguments]
    began_s = perf_counter()
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}")
    return Spent(perf_counter() - began_s, usage.ru_utime + usage.ru_stime)


def write_random(path: Path, size: int) -> None:
    """Write a file of random bytes."""
    with path.open("wb") as stream:
        for start in range(0, size, PIECE_BYTES):
            stream.write(os.urandom(min(PIECE_BYTES, size - start)))


@contextmanager
def serve_sink() -> Iterator[str]:
    """Run the server that keeps nothing, and give its address."""
    command = [sys.executable, "-m", "bench.sinks"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None, "it was asked for"
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def run_peer(path: Path) -> None:
    """Encrypt by pyrage, then hash what the client hashes: plaintext, blob, its blocks, its chunks, its segments."""
    sealed = path.with_suffix(".age")
    pyrage.encrypt_file(str(path), str(sealed), [pyrage.x25519.Identity.generate().to_public()])
    plaintext, blob, segment, sent = hashlib.sha256(), BlobDigest(), hashlib.sha256(), 0
    with path.open("rb") as stream:
        while piece := stream.read(SEALED_CHUNK_BYTES):
            plaintext.update(piece)
    with sealed.open("rb") as stream:
        while piece := stream.read(SEALED_CHUNK_BYTES):
            blob.update(piece)
            hashlib.sha256(piece).digest()
            segment.update(piece)
            sent += len(piece)
            if sent >= SEGMENT_BYTES:
                segment, sent = hashlib.sha256(), 0
    blob.finish()
    sealed.unlink()


def main(arguments: list[str]) -> int:
    """Measure, or be the peer."""
    if arguments[:1] == ["peer"]:
        run_peer(Path(arguments[1]))
    else:
        print_table(measure(*map(int, arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
