"""The documentation in docs/, as the site shows it: the files' own text, by the four kinds."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

KINDS = {
    "tutorial": "Tutorial: learn by doing",
    "how-to": "How-to guides: reach a goal",
    "reference": "Reference: look it up",
    "explanation": "Explanation: understand why",
}
SUFFIX = ".md"


class DocumentNotFoundError(Exception):
    """There is no such page of documentation."""


@dataclass(frozen=True, slots=True)
class Document:
    """One page: `name` is its path below docs/ without the suffix, `title` its first heading."""

    name: str
    title: str
    text: str


def list_documents() -> dict[str, list[Document]]:
    """Return the pages of each kind that has any, in the order of their names."""
    found = {kind: [_read(path) for path in sorted((_root() / kind).glob(f"*{SUFFIX}"))] for kind in KINDS}
    return {kind: pages for kind, pages in found.items() if pages}


def get_document(name: str) -> Document:
    """Return one page. Only files that stand in one of the four folders are pages, so no name leads out of them.

    Raises DocumentNotFoundError if there is none of this name.
    """
    kind, _, stem = name.partition("/")
    paths = {path.stem: path for path in (_root() / kind).glob(f"*{SUFFIX}")} if kind in KINDS else {}
    if stem not in paths:
        raise DocumentNotFoundError
    return _read(paths[stem])


def _root() -> Path:
    return Path(settings.BASE_DIR) / "docs"


def _read(path: Path) -> Document:
    heading, _, text = path.read_text(encoding="utf-8").partition("\n")
    return Document(
        name=f"{path.parent.name}/{path.stem}",
        title=heading.removeprefix("#").replace("`", "").strip(),
        text=text.strip("\n"),
    )
