"""The pages for everybody: by keyboard, with a screen reader, on a phone, in the dark, in French."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.web.browsing.conftest import DESK, PHONE, read_link
from tests.web.browsing.saving import get_link_id
from users.models import User

pytestmark = pytest.mark.django_db(transaction=True)

Share = Callable[..., str]
Open = Callable[..., BrowserContext]

AXE = Path(__file__).resolve().parents[3] / "web" / "assets" / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN_AXE = """async (tags) => {
    const { violations } = await axe.run(document, { runOnly: { type: "tag", values: tags } });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
}"""


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    """A small file."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Carol")
    return path


@pytest.fixture
def addresses(share: Share, letter: Path) -> list[str]:
    """Every page that people meet, and one that a link's end leads to."""
    link = share(letter, price="2")
    plain = ["/", "/sign-in", "/sign-up", "/upload", "/files/", f"/files/{get_link_id(link)}/change"]
    return [*plain, link, "/search"]


def settle(page: Page, address: str) -> None:
    """Open a page, wait for what its script does at once, and open what is folded."""
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.evaluate("() => { for (const part of document.querySelectorAll('details')) part.open = true; }")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_has_what_hinders_people(
    open_context: Open, bob: User, addresses: list[str], scheme: str, size: tuple[int, int]
):
    viewport = {"width": size[0], "height": size[1]}
    pages = [open_context(user, viewport=viewport, color_scheme=scheme).new_page() for user in (bob, None)]

    for page in pages:
        for address in addresses:
            settle(page, address)
            page.evaluate(AXE.read_text())
            assert page.evaluate(RUN_AXE, STANDARDS) == [], (address, page.url)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= size[0], address


def test_a_result_and_a_payment_have_nothing_that_hinders_people(
    share: Share, desk: Page, open_context: Open, carol: User, letter: Path
):
    link = share(letter, price="2")
    desk.evaluate(AXE.read_text())
    assert desk.evaluate(RUN_AXE, STANDARDS) == []

    reader = open_context(carol).new_page()
    reader.goto(link)
    reader.get_by_role("button", name="Download").click()
    expect(reader.locator("#balance")).to_have_text("0 msat")
    reader.evaluate(AXE.read_text())
    assert reader.evaluate(RUN_AXE, STANDARDS) == []


def press_until(page: Page, key: str, selector: str, *, times_max: int = 60) -> None:
    """Press a key until the element has the focus."""
    for _ in range(times_max):
        if page.evaluate("(selector) => document.activeElement?.matches(selector) ?? false", selector):
            return
        page.keyboard.press(key)
    pytest.fail(f"{key} never reached {selector}")


def test_a_file_is_uploaded_by_keyboard_alone(desk: Page, letter: Path):
    # From the first listener on, Playwright takes choosers over; that must not race with the key that opens one.
    desk.on("filechooser", lambda _: None)
    desk.goto("/upload")

    desk.keyboard.press("Tab")
    expect(desk.locator(".skip")).to_be_focused()
    press_until(desk, "Tab", "#choose-files")
    assert desk.evaluate("() => getComputedStyle(document.querySelector('[for=choose-files]')).outlineWidth") == "3px"
    with desk.expect_file_chooser() as waiting:
        desk.keyboard.press("Enter")
    waiting.value.set_files(letter)
    press_until(desk, "Tab", "#upload-form button[type=submit]")
    desk.keyboard.press("Enter")

    assert "/f/" in read_link(desk)
    press_until(desk, "Tab", "[data-part=copy]")


def test_who_listens_is_told_how_far_it_has_come(desk: Page, letter: Path):
    desk.goto("/upload")
    desk.evaluate("""() => {
        window.heard = [];
        const line = document.getElementById("said");
        new MutationObserver(() => heard.push(line.textContent)).observe(line, { childList: true });
    }""")
    desk.set_input_files("#choose-files", letter)
    desk.get_by_role("button", name="Encrypt and upload").click()
    read_link(desk)

    heard = desk.evaluate("() => heard")
    assert heard[0] == "1 file was added."
    assert heard[-1] == "letter.txt: Uploaded. The link is ready."


def test_a_french_browser_gets_french(share: Share, open_context: Open, letter: Path):
    link = share(letter)
    reader = open_context(locale="fr-FR").new_page()

    reader.goto(link)

    expect(reader.locator("html")).to_have_attribute("lang", "fr")
    expect(reader.locator("#lede")).to_contain_text("Il est déchiffré ici, dans votre navigateur.")
    with reader.expect_download():
        reader.get_by_role("button", name="Télécharger").click()
    expect(reader.locator("#progress-words")).to_contain_text("Chaque partie a été authentifiée.")


def test_the_language_is_switched_and_the_key_stays(share: Share, open_context: Open, letter: Path):
    link = share(letter)
    reader = open_context().new_page()
    reader.goto(link)
    expect(reader.locator("h1")).to_have_text("letter.txt")

    reader.get_by_role("button", name="Français").click()

    expect(reader.locator("#lede")).to_contain_text("dans votre navigateur")
    expect(reader.locator("h1")).to_have_text("letter.txt")
    assert reader.url == link
