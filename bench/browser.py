"""The browser's rows: encryption against npm age-encryption in one page of Chromium, and memory for a large file.

`python -m bench.browser MEGABYTES` uploads and downloads a file of so many MB alone, to see what memory it takes.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from bench.browser_server import started_server
from bench.rows import Row, compare, print_table, time_call
from tests.browsers import FLAGS, Browser, started_driver

CHECKOUT = Path(__file__).resolve().parent.parent
MEASURED_BYTES = 64 * 1024 * 1024
FILE_MB = 512
LIMIT_MB = 200
MEGA = 10**6
SAMPLE_SECONDS = 0.05
RENDERER = b"--type=renderer"
MEMORY_FIELDS = ("RssAnon", "RssShmem")


def measure(file_mb: int = FILE_MB, measured_bytes: int = MEASURED_BYTES) -> list[Row]:
    """Return the rows, or none where there is no Chromium."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        print("No Chromium is installed: the browser's rows are left out.")
        return []
    subprocess.run([sys.executable, "scripts/build_assets.py", "--bench"], cwd=CHECKOUT, check=True)
    with started_browser() as browser:
        return [*measure_rates(browser, measured_bytes), *measure_file(browser, file_mb)]


def measure_rates(browser: Browser, measured_bytes: int) -> list[Row]:
    """Return the rows of bytes that are in memory."""
    engine = browser.run("return bench.prepare(arguments[0])", measured_bytes)
    size = f"{measured_bytes // 2**20} MiB"

    def run(name: str) -> float:
        return float(browser.run("return bench.measure(arguments[0])", name))

    peer = "npm age-encryption alone"
    rows = [
        compare(
            f"{engine}: encryption of {size}", lambda: run("encryptOurs"), peer, lambda: run("encryptPeer"), bar=0.25
        ),
        compare(
            f"{engine}: decryption of {size}", lambda: run("decryptOurs"), peer, lambda: run("decryptPeer"), bar=0.25
        ),
        compare(
            f"the same with all digests, {size}", lambda: run("encryptWithDigests"), peer, lambda: run("encryptPeer")
        ),
    ]
    browser.run("bench.forget()")
    return rows


def measure_file(browser: Browser, file_mb: int) -> list[Row]:
    """Upload a file and save it again; return how much larger the processes of page and workers became."""
    size = file_mb * MEGA
    with tempfile.TemporaryDirectory(prefix="cadastre-bench-", dir=CHECKOUT / "var") as folder:
        path = Path(folder) / "file.bin"
        with path.open("wb") as stream:
            stream.truncate(size)
        expected = hash_file(path)
        browser.type("#file", str(path))
        with watched_memory() as uploading:
            upload_s = time_call(lambda: uploading.note(run_long(browser, "bench.upload()")))
        saved = Path(folder) / "saved"
        behaviour = {"behavior": "allow", "downloadPath": str(saved)}
        browser.call("goog/cdp/execute", {"cmd": "Browser.setDownloadBehavior", "params": behaviour})
        with watched_memory() as downloading:
            download_s = time_call(lambda: downloading.note(run_long(browser, f"bench.download({uploading.answer!r})")))
        assert downloading.answer == "done", downloading.answer
        browser.wait_for((saved / path.name).exists, what="the saved file")
        assert hash_file(saved / path.name) == expected, "what was saved is not what was uploaded"
    print(f"{file_mb:,} MB: uploaded at {file_mb / upload_s:.0f} MB/s, downloaded at {file_mb / download_s:.0f} MB/s")
    limit = f"the limit of {LIMIT_MB} MB"
    return [
        Row(f"memory added by an upload of {file_mb:,} MB", uploading.added_mb, limit, LIMIT_MB, 1.0, "M"),
        Row(f"memory added by a download of {file_mb:,} MB", downloading.added_mb, limit, LIMIT_MB, 1.0, "M"),
    ]


def run_long(browser: Browser, expression: str) -> str:
    """Run what takes longer than the driver waits, and return its answer. Raises AssertionError if it fails."""
    on_value = "(value) => { window.answer = { value }; }"
    on_error = "(error) => { window.answer = { error: String(error) }; }"
    browser.run(f"window.answer = null; {expression}.then({on_value}, {on_error});")
    while True:
        # The driver's own waiting ends after three minutes; a large file takes longer.
        answer = browser.run(
            "return new Promise((resolve) => setTimeout(() => resolve(window.answer), window.answer ? 0 : 500))"
        )
        if answer:
            assert "error" not in answer, answer["error"]
            return str(answer["value"])


class Watch:
    """The most memory that the browser's pages and workers took, beyond what they had."""

    def __init__(self) -> None:
        self.before_bytes = self.peak_bytes = read_renderers_bytes()
        self.answer = ""

    @property
    def added_mb(self) -> float:
        """Megabytes at the peak beyond those before."""
        return (self.peak_bytes - self.before_bytes) / MEGA

    def note(self, answer: str) -> None:
        """Keep what the work gave."""
        self.answer = answer


@contextmanager
def watched_memory() -> Iterator[Watch]:
    """Sample the renderers' memory while a work is under way."""
    watch, stop = Watch(), Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            watch.peak_bytes = max(watch.peak_bytes, read_renderers_bytes())

    thread = Thread(target=sample)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def read_renderers_bytes() -> int:
    """Return the memory of this run's processes that execute pages and workers, without mapped files."""
    parents, sizes = {}, {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            lines = (process / "status").read_text(encoding="ascii", errors="replace").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended meanwhile.
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        number = int(process.name)
        parents[number] = int(fields["PPid"])
        if RENDERER in command:
            sizes[number] = sum(int(fields.get(name, "0 kB").split()[0]) * 1024 for name in MEMORY_FIELDS)
    return sum(size for number, size in sizes.items() if is_below(number, os.getpid(), parents))


def is_below(number: int, ancestor: int, parents: dict[int, int]) -> bool:
    """Tell whether a process descends from another one."""
    while number in parents and number != ancestor:
        number = parents[number]
    return number == ancestor


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Start Chromium with the page of measurements."""
    (CHECKOUT / "var").mkdir(exist_ok=True)
    driver = shutil.which("chromedriver")
    assert driver is not None, "it was looked for before"
    with (
        started_server() as address,
        started_driver(driver) as url,
        tempfile.TemporaryDirectory(prefix="cadastre-chromium-") as profile,
    ):
        browser = Browser(url, arguments=[*FLAGS, f"--user-data-dir={profile}"])
        try:
            browser.open(address)
            browser.wait_for(lambda: browser.run("return typeof bench === 'object'"), what="the page's script")
            yield browser
        finally:
            browser.close()


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(arguments: Sequence[str]) -> int:
    """Measure with a file of the size that is named."""
    print_table(measure(int(arguments[0])) if arguments else measure())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
