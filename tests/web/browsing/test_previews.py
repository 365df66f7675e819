"""Looking at what was shared inside the page: what can be shown is, and nothing hostile runs."""

import io
import struct
import wave
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

pytestmark = pytest.mark.django_db(transaction=True)

Share = Callable[..., str]

RECORD_VIDEO = """async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
    const paint = canvas.getContext("2d");
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm;codecs=vp8" });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((done) => { recorder.onstop = done; });
    recorder.start(200);
    for (let frame = 0; frame < 50; frame += 1) {
        paint.fillStyle = `hsl(${frame * 7} 90% 50%)`;
        paint.fillRect(0, 0, 64, 48);
        await new Promise((done) => setTimeout(done, 40));
    }
    recorder.stop();
    await stopped;
    return Array.from(new Uint8Array(await new Blob(parts).arrayBuffer()));
}"""
SEEK = """async (seconds) => {
    const player = document.querySelector("#shown audio, #shown video");
    if (player.readyState < 1) await new Promise((done) => { player.onloadedmetadata = done; });
    const found = new Promise((done) => { player.onseeked = done; });
    player.currentTime = seconds;
    await found;
    return [player.currentTime, player.duration, player.videoWidth ?? 0];
}"""

FIND_PLAINTEXT = (
    "() => performance.getEntriesByType('resource').map(({name}) => name).find((name) => /plain/.test(name))"
)


@pytest.fixture
def reader(open_context: Callable[..., BrowserContext]) -> Page:
    """A page of a browser in which nobody is signed in."""
    return open_context().new_page()


def make_sound(seconds: int) -> bytes:
    """Return silence as a WAV file of 16 bits at 44.1 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(44_100)
        sound.writeframes(bytes(4 * 44_100 * seconds))
    return buffer.getvalue()


def make_picture(side: int) -> bytes:
    """Return a grey square as PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\x00" + b"\x80" * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def look(share: Share, reader: Page, path: Path, content: bytes) -> None:
    """Share a file, and look at it."""
    path.write_bytes(content)
    reader.goto(share(path))
    reader.get_by_role("button", name="Look at it here").click()


def test_sound_is_played_and_sought_by_ranges(share: Share, reader: Page, tmp_path: Path):
    look(share, reader, tmp_path / "sound.wav", make_sound(60))
    reader.locator("#shown audio").wait_for()

    position, duration, _ = reader.evaluate(SEEK, 55)

    assert abs(position - 55) < 0.1
    assert abs(duration - 60) < 0.1


def test_a_film_is_played_and_sought(share: Share, desk: Page, reader: Page, tmp_path: Path):
    desk.goto("/upload")
    film = bytes(desk.evaluate(RECORD_VIDEO))

    look(share, reader, tmp_path / "film.webm", film)
    reader.locator("#shown video").wait_for()
    position, _, width = reader.evaluate(SEEK, 1)

    assert abs(position - 1) < 0.2
    assert width == 64


def test_a_picture_is_shown(share: Share, reader: Page, tmp_path: Path):
    look(share, reader, tmp_path / "picture.png", make_picture(40))

    reader.wait_for_function("() => document.querySelector('#shown img')?.naturalWidth === 40")


def test_a_text_is_shown_as_text(share: Share, reader: Page, tmp_path: Path):
    look(share, reader, tmp_path / "letter.txt", "Chère Carole,\n<b>not bold</b>".encode())

    expect(reader.locator("#shown pre")).to_have_text("Chère Carole,\n<b>not bold</b>")


@pytest.mark.parametrize("name", ["page.html", "drawing.svg"])
def test_html_and_svg_are_never_documents_of_this_site(share: Share, reader: Page, tmp_path: Path, name: str):
    script = "parent.document.title='owned';document.title='owned'"
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>{script}</script></svg>'
    hostile = svg if name.endswith("svg") else f"<html><body><script>{script}</script></body></html>"

    look(share, reader, tmp_path / name, hostile.encode())

    expect(reader.locator("#shown pre, #shown img").first).to_be_visible()
    assert reader.locator("#shown iframe, #shown object, #shown embed").count() == 0
    url = reader.evaluate(
        "() => performance.getEntriesByType('resource').map((e) => e.name).find(n => /plain/.test(n))"
    )
    frame = reader.evaluate(
        """async (url) => {
            const frame = document.createElement("iframe");
            frame.src = url;
            document.body.append(frame);
            await new Promise((done) => setTimeout(done, 1500));
            let inner = "";
            try { inner = frame.contentDocument?.title ?? ""; } catch { inner = "another origin"; }
            return [inner, document.title];
        }""",
        url,
    )
    assert "owned" not in frame


def test_a_pdf_goes_to_the_browsers_own_viewer(share: Share, reader: Page, tmp_path: Path):
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n")
    reader.goto(share(path))
    expect(reader.locator("#opened")).to_be_visible()

    button = reader.get_by_role("button", name="Look at it here")
    if not reader.evaluate("() => navigator.pdfViewerEnabled"):
        expect(button).to_be_hidden()
        return
    button.click()
    expect(reader.locator("#shown iframe")).to_have_attribute("title", "paper.pdf")
