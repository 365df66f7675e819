"""A large upload that is cut: the network goes, then the tab."""

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, expect

from registry.services.records import register_blobs
from tests.web.browsing.conftest import read_link
from tests.web.browsing.saving import save

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

LARGE_BYTES = 300 * 10**6


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A file of 300 MB whose every MiB is another."""
    path = tmp_path / "film.bin"
    source = random.Random(3)
    with path.open("wb") as file:
        left = LARGE_BYTES
        while left:
            left -= file.write(source.randbytes(min(left, 2**20)))
    yield path
    path.unlink()


def wait_for_percent(page: Page, percent: int) -> None:
    """Wait until an upload has come so far."""
    page.wait_for_function(
        "(percent) => document.querySelector('#running progress')?.value * 100 >= percent", arg=percent
    )


def test_an_upload_of_300_mb_survives_the_network_and_the_tab(
    open_context: Callable[..., BrowserContext], desk: Page, large: Path, tmp_path: Path
):
    # ACT: the network goes and comes back
    desk.goto("/upload")
    desk.set_input_files("#choose-files", large)
    desk.get_by_role("button", name="Encrypt and upload").click()
    wait_for_percent(desk, 10)
    desk.context.set_offline(True)
    expect(desk.locator("#running [data-part=words]")).to_have_text(re.compile("^Waiting at"))
    desk.context.set_offline(False)
    wait_for_percent(desk, 30)

    # ACT: pause, and close the tab
    desk.get_by_role("button", name="Pause film.bin").click()
    expect(desk.locator("#running [data-part=words]")).to_have_text(re.compile("^Paused at"))
    desk.get_by_role("button", name="Resume film.bin").click()
    wait_for_percent(desk, 50)
    desk.close(run_before_unload=False)
    again = desk.context.new_page()
    again.goto("/upload")
    words = again.locator("#unfinished [data-part=words]")
    expect(words).to_contain_text("Choose the same files again to go on.")
    sent = int((words.text_content() or "").split()[0])
    again.locator("#unfinished input").first.set_input_files(large)
    link = read_link(again)
    register_blobs(now=timezone.now())

    # ASSERT
    assert sent >= 45
    reader = open_context().new_page()
    reader.goto(link)
    saved = tmp_path / "saved"
    save(reader, "Download", saved)
    assert hash_file(saved) == hash_file(large)
    expect(again.locator("#unfinished")).to_be_hidden()


def test_other_files_do_not_continue_an_upload(desk: Page, tmp_path: Path):
    first, other = tmp_path / "first.bin", tmp_path / "other.bin"
    first.write_bytes(random.Random(4).randbytes(40 * 2**20))
    other.write_bytes(random.Random(5).randbytes(40 * 2**20))
    desk.goto("/upload")
    desk.set_input_files("#choose-files", first)
    desk.get_by_role("button", name="Encrypt and upload").click()
    wait_for_percent(desk, 1)
    desk.close(run_before_unload=False)

    again = desk.context.new_page()
    again.goto("/upload")
    again.locator("#unfinished input").first.set_input_files(other)

    expect(again.locator("#unfinished [data-part=words]")).to_contain_text("These are not the same files")
    again.get_by_role("button", name="Cancel first.bin").click()
    expect(again.locator("#unfinished")).to_be_hidden()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
