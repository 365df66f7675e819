"""Many small files by one `cadastre put`, against a real server: `python -m bench.small_files [COUNT]`.

Prints the rate, and what the command and the server held before, during and after: open descriptors and memory. What
grows with the number of files is a leak. The server is Gunicorn with SQLite, as `make run` has it.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.memory import CHECKOUT, MEGA
from bench.rows import Row, print_table
from client.cli import main as run_command
from demo.processes import Processes, pick_port

COUNT = 10_000
FILE_BYTES = 10_000
WEB_WORKERS = 2
WEB_THREADS = 8
SAMPLE_S = 0.25
# Both are of the command, in the last quarter of the files against the first.
DESCRIPTORS_BAR = 1.0
MEMORY_BAR = 1.25


@dataclass(frozen=True)
class Sample:
    """What a process holds at a moment, open descriptors and resident bytes, and its processor seconds until then."""

    descriptors: int
    resident_bytes: int
    cpu_s: float


@dataclass(frozen=True)
class Trial:
    """What one run showed."""

    count: int
    seconds: float
    client: list[Sample]
    server_before: Sample
    server_after: Sample

    @property
    def rate(self) -> float:
        """Files per second."""
        return self.count / self.seconds


def measure(count: int = COUNT) -> list[Row]:
    """Return the rows: the seconds against none, and what the command holds late against what it held early."""
    trial = run_trial(count)
    early, late = compare_quarters(trial.client)
    name = f"{count:,} files of {FILE_BYTES // 1000} KB by one put"
    before, after = trial.server_before, trial.server_after
    print(f"{name}: {trial.seconds:.1f} s, {trial.rate:.0f} files/s")
    print(
        f"  processor: {trial.client[-1].cpu_s / count * 1000:.1f} ms a file in the command, "
        f"{(after.cpu_s - before.cpu_s) / count * 1000:.1f} ms in the server"
    )
    print(
        f"  server: {before.descriptors} descriptors and {before.resident_bytes / MEGA:.0f} MB before, "
        f"{after.descriptors} and {after.resident_bytes / MEGA:.0f} MB after"
    )
    return [
        Row(
            f"{name}: open descriptors, late",
            late.descriptors,
            "early",
            early.descriptors,
            bar=DESCRIPTORS_BAR,
            unit=" ",
        ),
        Row(
            f"{name}: memory, late",
            late.resident_bytes / MEGA,
            "early",
            early.resident_bytes / MEGA,
            bar=MEMORY_BAR,
            unit="M",
        ),
    ]


def compare_quarters(samples: list[Sample]) -> tuple[Sample, Sample]:
    """Return what was held in the second and in the last quarter: at first, everything is being opened.

    Medians, for a file or two are open or not at any moment.
    """
    quarter = max(1, len(samples) // 4)
    return find_median(samples[quarter : 2 * quarter] or samples), find_median(samples[-quarter:])


def find_median(samples: list[Sample]) -> Sample:
    """Return the median of each."""
    descriptors = statistics.median_high(sample.descriptors for sample in samples)
    resident_bytes = statistics.median_high(sample.resident_bytes for sample in samples)
    return Sample(descriptors, resident_bytes, samples[-1].cpu_s)


def run_trial(count: int) -> Trial:
    """Put so many new files."""
    with tempfile.TemporaryDirectory(prefix="cadastre-bench-") as name, serve(Path(name)) as url:
        folder = Path(name)
        sign_in(folder, url)
        paths = write_files(folder / "files", count)
        master = int((folder / "web.pid").read_text(encoding="ascii"))
        before = add_up(master)
        command = [sys.executable, "-m", "client.cli", "put", *paths]
        environment = {**os.environ, "CADASTRE_HOME": str(folder / "home")}
        samples, began_s = [], time.perf_counter()
        with (folder / "links").open("wb") as links:
            process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=links)
            while process.poll() is None:
                if sample := read_sample(process.pid):
                    samples.append(sample)
                time.sleep(SAMPLE_S)
        seconds = time.perf_counter() - began_s
        made = len((folder / "links").read_text().splitlines())
        if process.returncode or made != count:
            raise RuntimeError(f"put ended with {process.returncode} after {made} links")
        return Trial(count, seconds, samples, before, add_up(master))


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Run a web server on an empty database."""
    port = pick_port()
    url = f"http://127.0.0.1:{port}"
    settings = {"CADASTRE_ENVIRONMENT": "development", "CADASTRE_VAR_DIR": str(folder / "var")}
    processes = Processes(log_folder=folder / "logs", environment=settings | {"CADASTRE_PUBLIC_URL": url})
    try:
        processes.run("init_keys", ["manage.py", "init_keys"])
        processes.run("migrate", ["manage.py", "migrate", "--verbosity", "0"])
        binding = ["--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--pid", str(folder / "web.pid")]
        size = ["--workers", str(WEB_WORKERS), "--threads", str(WEB_THREADS)]
        processes.start("web", ["-m", "gunicorn", "config.wsgi", *binding, *size])
        processes.wait("the web server", lambda: is_up(url))
        yield url
    finally:
        processes.stop()


def is_up(url: str) -> bool:
    """Whether a server answers."""
    request = urllib.request.Request(f"{url}/api/v1/uploads", method="OPTIONS")  # noqa: S310 - a loopback address
    try:
        with urllib.request.urlopen(request, timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


def sign_in(folder: Path, url: str) -> None:
    """Make a user and store a token for the command."""
    (folder / "password").write_text("only for the bench 9!\n")
    os.environ["CADASTRE_HOME"] = str(folder / "home")
    for name in ("register", "login"):
        arguments = [name, "bob", "--server", url, "--password-file", str(folder / "password")]
        if run_command(arguments):
            raise RuntimeError(f"{name} failed")


def write_files(folder: Path, count: int) -> list[str]:
    """Write files of random bytes and return their paths."""
    folder.mkdir()
    paths = [folder / f"{number:05}.bin" for number in range(count)]
    for path in paths:
        path.write_bytes(os.urandom(FILE_BYTES))
    return [str(path) for path in paths]


def add_up(master: int) -> Sample:
    """Look at a web server's master and its workers together."""
    children = Path(f"/proc/{master}/task/{master}/children").read_text(encoding="ascii").split()
    samples = [sample for pid in (master, *map(int, children)) if (sample := read_sample(pid))]
    return Sample(
        sum(sample.descriptors for sample in samples),
        sum(sample.resident_bytes for sample in samples),
        sum(sample.cpu_s for sample in samples),
    )


def read_sample(pid: int) -> Sample | None:
    """Look at a process; None if it has gone."""
    try:
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        # After the name, which is in brackets and may be anything: fields 14 and 15 of proc(5).
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, IndexError):
        return None
    ticks = int(fields[11]) + int(fields[12])
    return Sample(descriptors, pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))


def main(arguments: list[str]) -> int:
    """Measure and print."""
    print_table(measure(*map(int, arguments)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
