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


SAMPLE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (-?[0-9]+)", re.DOTALL)
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)', re.DOTALL)
UNESCAPED = {"\\": "\\", "n": "\n", '"': '"'}

Labels = tuple[tuple[str, str], ...]


def read_metrics(text: str) -> dict[tuple[str, Labels], int]:
    """Return the samples of Prometheus's text format by their name and labels, read as strictly as its specification.

    Every sample must follow the HELP and TYPE of its metric. Raises AssertionError if anything else stands there.
    """
    samples: dict[tuple[str, Labels], int] = {}
    current = ""
    assert not text or text.endswith("\n")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge"
        else:
            found = SAMPLE.fullmatch(line)
            assert found is not None, line
            assert found[1] == current
            labels = tuple((name, _unescape(value)) for name, value in LABEL.findall(found[2] or ""))
            assert (current, labels) not in samples
            samples[(current, labels)] = int(found[3])
    return samples


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: UNESCAPED[found[1]], text, flags=re.DOTALL)
