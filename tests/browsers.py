"""A real browser for tests: Debian's Chromium, driven by chromedriver over the WebDriver protocol (W3C).

The protocol is JSON over HTTP on loopback, so the few commands that the tests need are written here.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which the protocol names an element."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Nothing is asked of the network but what a test names; root, as whom CI runs, cannot have the sandbox."""

START_SECONDS, ANSWER_SECONDS, WAIT_SECONDS = 120, 120, 180


class Browser:
    """One session of a browser."""

    def __init__(self, driver_url: str, *, arguments: list[str]) -> None:
        self._http = requests.Session()
        self._http.trust_env = False
        capabilities = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        started = self._post(f"{driver_url}/session", {"capabilities": {"alwaysMatch": capabilities}})
        self._url = f"{driver_url}/session/{started['sessionId']}"

    def open(self, address: str) -> None:
        """Load a page."""
        self.call("url", {"url": address})

    def read_address(self) -> str:
        """Return the address of the page that is shown."""
        return str(self._ask("GET", f"{self._url}/url"))

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns; a promise is waited for."""
        return self.call("execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector: str) -> dict[str, str]:
        """Return the first element of a CSS selector."""
        found: dict[str, str] = self.call("element", {"using": "css selector", "value": selector})
        return found

    def click(self, selector: str) -> None:
        """Click an element."""
        self.call(f"element/{self.find(selector)[ELEMENT]}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Type into an element, or choose a file by its path in a file field."""
        self.call(f"element/{self.find(selector)[ELEMENT]}/value", {"text": text})

    def wait_for(self, claim: Callable[[], Any], *, what: str) -> Any:
        """Return the first true value of a function that is asked again and again. Fails after WAIT_SECONDS."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if found := claim():
                return found
            time.sleep(0.05)
        pytest.fail(f"the browser waited in vain for {what}")

    def resize(self, width: int, height: int = 900, *, is_phone: bool = False) -> None:
        """Give the page a width in CSS pixels, as a phone or a desktop window has it."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone}
        self.call("goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})

    def take_picture(self) -> bytes:
        """Return the whole page as a PNG."""
        answer = self.call(
            "goog/cdp/execute", {"cmd": "Page.captureScreenshot", "params": {"captureBeyondViewport": True}}
        )
        return base64.b64decode(answer["data"])

    def read_complaints(self) -> list[str]:
        """Return what the browser complained of since it was asked last: scripts' errors, blocked and missing files."""
        entries = self.call("se/log", {"type": "browser"})
        return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]

    def read_requests(self) -> list[dict[str, Any]]:
        """Return the requests that the page made since it was asked last, as the DevTools protocol has them."""
        entries = self.call("se/log", {"type": "performance"})
        messages = [json.loads(entry["message"])["message"] for entry in entries]
        return [found["params"]["request"] for found in messages if found["method"] == "Network.requestWillBeSent"]

    def read_name(self, selector: str) -> str:
        """Return what an element is called for who does not see it."""
        return str(self._ask("GET", f"{self._url}/element/{self.find(selector)[ELEMENT]}/computedlabel"))

    def call(self, command: str, body: dict[str, Any]) -> Any:
        """Send one command of the protocol. Raises AssertionError if it fails."""
        return self._post(f"{self._url}/{command}", body)

    def close(self) -> None:
        """End the session."""
        self._ask("DELETE", self._url)

    def _post(self, url: str, body: dict[str, Any]) -> Any:
        return self._ask("POST", url, body)

    def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, url, json=body, timeout=ANSWER_SECONDS)
        value = answer.json()["value"]
        assert answer.ok, f"{url}: {value.get('error')}: {value.get('message')}"
        return value


def find_driver() -> str:
    """Return the browser's driver, or skip the test where one or the other is missing; TEST_CHROMIUM=require fails."""
    wanted = os.environ.get("TEST_CHROMIUM")
    if wanted == "skip":
        pytest.skip("TEST_CHROMIUM=skip")
    driver = shutil.which("chromedriver")
    if shutil.which("chromium") is None or driver is None:
        message = "chromium and chromedriver are not installed"
        if wanted == "require":
            pytest.fail(message)
        pytest.skip(message)
    return driver


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a browser, or skip the test where none is installed; TEST_CHROMIUM=require makes that a failure."""
    driver = find_driver()
    with started_driver(driver) as url, tempfile.TemporaryDirectory(prefix="cadastre-chromium-") as profile:
        session = Browser(url, arguments=[*FLAGS, f"--user-data-dir={profile}"])
        yield session
        session.close()


@contextmanager
def started_driver(program: str) -> Iterator[str]:
    """Start chromedriver on a free port, give its address, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="cadastre-chromedriver-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([program, "--port=0"], stdout=output, stderr=subprocess.STDOUT)
            try:
                yield f"http://127.0.0.1:{wait_for_port(log)}"
            finally:
                process.terminate()
                process.wait(timeout=START_SECONDS)


def wait_for_port(log: Path) -> int:
    """Return the port that chromedriver says it listens on. Fails after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text()
        if "started successfully on port" in text:
            return int(text.rsplit("on port", 1)[1].strip().rstrip(".").split(".")[0])
        time.sleep(0.05)
    pytest.fail(f"chromedriver did not start: {log.read_text()}")
