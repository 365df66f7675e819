"""Reads what a page says, as a visitor sees it."""

import html
import re
from typing import Protocol

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


class Page(Protocol):
    """An answer of the test client whose bytes are there."""

    @property
    def content(self) -> bytes: ...


def read_text(page: Page) -> str:
    """Return a page's text: no tags, one space for any white space."""
    text = re.sub(r"<wbr>|</?span>", "", page.content.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def find_csrf_token(page: Page) -> str:
    """Return the token of a page's last form. Raises AssertionError if there is none."""
    tokens: list[str] = TOKEN.findall(page.content.decode())
    assert tokens, "the page has no form"
    return tokens[-1]
