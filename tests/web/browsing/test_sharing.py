"""Uploading in the browser and getting it back, byte for byte; and what is refused on the way back."""

import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from storage.models import Link
from tests.web.browsing.saving import get_blob_path, get_link_id, save

pytestmark = pytest.mark.django_db(transaction=True)

Share = Callable[..., str]


@pytest.fixture
def reader(open_context: Callable[..., BrowserContext]) -> Page:
    """A page of a browser in which nobody is signed in."""
    return open_context().new_page()


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A file of some chunks."""
    path = tmp_path / "notes.bin"
    path.write_bytes(random.Random(1).randbytes(3_000_001))
    return path


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with files in folders, one of them empty."""
    folder = tmp_path / "album"
    (folder / "inner").mkdir(parents=True)
    (folder / "one.txt").write_text("first")
    (folder / "inner" / "two.bin").write_bytes(random.Random(2).randbytes(200_000))
    (folder / "inner" / "été.txt").write_text("summer")
    return folder


def test_a_file_comes_back_as_it_was(share: Share, reader: Page, notes: Path, tmp_path: Path):
    reader.goto(share(notes))

    expect(reader.locator("h1")).to_have_text("notes.bin")
    assert save(reader, "Download", tmp_path / "saved") == notes.read_bytes()
    expect(reader.locator("#progress-words")).to_have_text("Saved by your browser. Every part was authenticated.")


def test_a_hidden_size_comes_back_without_its_padding(share: Share, reader: Page, notes: Path, tmp_path: Path):
    link = share(notes, padding=True)

    assert get_blob_path(link).stat().st_size > 3_010_000
    reader.goto(link)
    assert save(reader, "Download", tmp_path / "saved") == notes.read_bytes()


def test_a_folder_is_taken_whole_as_zip_or_file_by_file(share: Share, reader: Page, album: Path, tmp_path: Path):
    link = share(album, is_folder=True)
    wanted = {f"album/{path.relative_to(album)}": path.read_bytes() for path in album.rglob("*") if path.is_file()}

    reader.goto(link)

    expect(reader.locator("h1")).to_have_text("album")
    expect(reader.locator("#lede")).to_have_text("A folder of 3 files that only who has this whole link can read.")
    with zipfile.ZipFile(io.BytesIO(save(reader, "Download all as zip", tmp_path / "saved.zip"))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == wanted
    assert save(reader, "Download inner/two.bin", tmp_path / "two") == wanted["album/inner/two.bin"]


def test_a_dropped_file_is_uploaded(share: Share, desk: Page, reader: Page, tmp_path: Path):
    desk.goto("/upload")
    desk.evaluate("""() => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["dropped content"], "dropped.txt"));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }""")

    expect(desk.locator("#chosen li")).to_contain_text(["dropped.txt15 bytes"])


def test_a_password_is_asked_for_and_a_wrong_one_is_refused(share: Share, reader: Page, notes: Path, tmp_path: Path):
    reader.goto(share(notes, password="correct horse"))

    reader.fill("#password", "battery staple")
    reader.get_by_role("button", name="Open").click()
    expect(reader.locator("#password-error")).to_have_text("The password does not open this link.")
    expect(reader.locator("h1")).to_have_text("An encrypted file")
    reader.fill("#password", "correct horse")
    reader.get_by_role("button", name="Open").click()

    expect(reader.locator("h1")).to_have_text("notes.bin")
    assert save(reader, "Download", tmp_path / "saved") == notes.read_bytes()


def test_a_wrong_key_opens_nothing(share: Share, reader: Page, notes: Path, album: Path):
    link, other = share(notes), share(album, is_folder=True)

    reader.goto(f"{link.split('#')[0]}#{other.split('#')[1]}")

    expect(reader.locator("#problem")).to_be_visible()
    expect(reader.locator("h1")).to_have_text("An encrypted file")
    expect(reader.locator("#opened")).to_be_hidden()


def test_without_its_key_a_link_says_that_it_is_incomplete(share: Share, reader: Page, notes: Path):
    reader.goto(share(notes).split("#")[0])

    expect(reader.locator("#problem")).to_have_text(
        "The link is incomplete: without the whole part after the # there is no key."
    )


def test_a_tampered_chunk_ends_the_download(share: Share, reader: Page, notes: Path):
    link = share(notes)
    path = get_blob_path(link)
    with path.open("r+b") as file:
        file.seek(1_000_000)
        byte = file.read(1)
        file.seek(1_000_000)
        file.write(bytes([byte[0] ^ 1]))

    reader.goto(link)
    with reader.expect_download() as waiting:
        reader.get_by_role("button", name="Download").click()

    assert waiting.value.failure() is not None
    expect(reader.locator("#problem")).to_contain_text("does not authenticate")


def test_a_truncated_blob_is_found_at_opening(share: Share, reader: Page, notes: Path):
    """The server lies about the length as well; the manifest, which the link names, does not."""
    link = share(notes)
    path = get_blob_path(link)
    row = Link.objects.select_related("blob").get(id=get_link_id(link))
    with path.open("r+b") as file:
        file.truncate(row.blob.length - 100_000)
    row.blob.length = path.stat().st_size
    row.blob.save(update_fields=["length"])

    reader.goto(link)

    expect(reader.locator("#problem")).to_be_visible()
    expect(reader.locator("#opened")).to_be_hidden()


def test_a_blob_that_lost_its_end_is_not_saved(share: Share, reader: Page, notes: Path):
    link = share(notes)
    path = get_blob_path(link)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100_000)

    reader.goto(link)
    reader.get_by_role("button", name="Download").click()

    expect(reader.locator("#problem")).to_be_visible(timeout=30_000)
    expect(reader.locator("#progress")).to_be_hidden()


def test_the_names_and_keys_of_own_files_come_from_the_browser_alone(
    share: Share, desk: Page, open_context: Callable[..., BrowserContext], notes: Path
):
    link = share(notes)
    desk.goto("/files/")

    expect(desk.locator("#files h2")).to_have_text("notes.bin")
    assert desk.get_by_role("link", name="Open notes.bin").get_attribute("href") == link
    html = desk.request.get("/files/").text()
    assert "notes.bin" not in html
    assert link.split("#")[1] not in html


def test_a_report_reaches_the_server(share: Share, reader: Page, notes: Path):
    link = share(notes)
    reader.goto(link)

    reader.get_by_text("Report this file").click()
    reader.select_option("#category", "malware")
    reader.fill("#report-text", "It asks for my bank's password.")
    reader.get_by_role("button", name="Send the report").click()

    expect(reader.locator("#report-thanks")).to_be_visible()
    report = Link.objects.get(id=get_link_id(link)).reports.get()
    assert (report.category, report.text) == ("malware", "It asks for my bank's password.")
