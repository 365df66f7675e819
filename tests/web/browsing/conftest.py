"""Debian's Chromium, driven by Playwright, against a live server: what people do on the pages, done as they do it.

Every test also fails if a page complains (a script's error, something that the content security policy refused), or
asks anything of another server.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from registry.services.records import register_blobs
from tests.factories.payouts import WALLET
from tests.factories.users import make_user
from users.models import User

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
PHONE, DESK = (390, 844), (1280, 900)
TIMEOUT_MS = 60_000
NOT_OURS = ("net::ERR_", "Failed to load resource")
"""What the browser itself writes when a request fails; whether it should have failed is for each test to say."""

INSIDE = ("chrome://", "chrome-extension://")
"""The browser's own parts, such as its viewer of PDF: nothing of it goes over a network."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Return a browser, or skip the test where none is installed; TEST_CHROMIUM=require makes that a failure."""
    program = shutil.which("chromium")
    if os.environ.get("TEST_CHROMIUM") == "skip":
        pytest.skip("TEST_CHROMIUM=skip")
    if program is None:
        if os.environ.get("TEST_CHROMIUM") == "require":
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django would take for code that must not wait.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


class Watcher:
    """Notes what pages complain of, and every request."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.requests: list[Request] = []

    def watch(self, context: BrowserContext) -> None:
        """Watch every page and worker of a context."""
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(word in message.text for word in NOT_OURS):
            self.complaints.append(message.text)


@pytest.fixture
def watcher(live_server: LiveServer) -> Iterator[Watcher]:
    """Check at the end of a test that no page complained, and that all requests went to our own server."""
    found = Watcher()
    yield found
    assert found.complaints == []
    ours = (live_server.url, "blob:", *INSIDE)
    elsewhere = {request.url for request in found.requests if not request.url.startswith(ours)}
    assert elsewhere == set()


@pytest.fixture(autouse=True)
def wallet_keys(settings: Settings) -> None:
    """Give the settings the tests' own payout wallet."""
    settings.CADASTRE_PAYOUT_XPUB = WALLET.xpub
    settings.CADASTRE_PAYOUT_XPRV = WALLET.to_xprv()


@pytest.fixture
def open_context(
    chromium: Browser, live_server: LiveServer, watcher: Watcher, settings: Settings
) -> Iterator[Callable[..., BrowserContext]]:
    """Return what opens a browser window with storage of its own; signed in if a user is given."""
    contexts: list[BrowserContext] = []

    def open_one(user: User | None = None, **options: object) -> BrowserContext:
        width, height = DESK
        chosen = {"viewport": {"width": width, "height": height}, "locale": "en-GB", **options}
        context = chromium.new_context(base_url=live_server.url, **chosen)  # type: ignore[arg-type]  # Playwright's options
        context.set_default_timeout(TIMEOUT_MS)
        watcher.watch(context)
        if user is not None:
            sign_in(context, user, live_server.url)
        contexts.append(context)
        return context

    settings.CADASTRE_PUBLIC_URL = live_server.url
    yield open_one
    for context in contexts:
        context.close()


def sign_in(context: BrowserContext, user: User, url: str) -> None:
    """Give a browser the cookie of a session."""
    client = Client()
    client.force_login(user)
    value = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": django_settings.SESSION_COOKIE_NAME, "value": value, "url": url}])


@pytest.fixture
def bob(transactional_db: None) -> User:
    """Who publishes."""
    return make_user("bob")


@pytest.fixture
def carol(transactional_db: None) -> User:
    """A reader."""
    return make_user("carol")


@pytest.fixture
def desk(open_context: Callable[..., BrowserContext], bob: User) -> Page:
    """A page of the browser in which Bob is signed in."""
    return open_context(bob).new_page()


@pytest.fixture
def share(desk: Page, tmp_path: Path) -> Callable[..., str]:
    """Return what uploads files through the page and returns the link."""

    def share_files(*paths: Path, is_folder: bool = False, **options: str | bool) -> str:
        desk.goto("/upload")
        chooser = "#choose-folder" if is_folder else "#choose-files"
        desk.set_input_files(chooser, paths[0] if is_folder else list(paths))
        for name, value in options.items():
            fill_option(desk, name, value)
        desk.get_by_role("button", name="Encrypt and upload").click()
        link = read_link(desk)
        # What the worker's sweep does on a server that has one.
        register_blobs(now=timezone.now())
        return link

    return share_files


def fill_option(page: Page, name: str, value: str | bool) -> None:
    """Set one of the upload form's options."""
    if isinstance(value, bool):
        page.set_checked(f"#{name}", value)
    elif name == "expiry":
        page.select_option("#expiry", value)
    else:
        page.fill(f"#{name}", value)


def read_link(page: Page) -> str:
    """Return the link of the upload that is finished, once it is."""
    field = page.get_by_label("The link", exact=True)
    field.wait_for(state="visible")
    return field.input_value()
