"""Collects the pages' sentences into the French catalogue, and compiles it: `make messages`.

Babel does it in Python alone, so that no machine needs gettext. The compiled catalogue is committed beside its source,
so that a checkout speaks French without a build; a test compares the two.
"""

import io
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import django
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings

CHECKOUT = Path(__file__).resolve().parent.parent
WEB = CHECKOUT / "web"
LANGUAGE = "fr"
SOURCE = WEB / "locale" / LANGUAGE / "LC_MESSAGES" / "django.po"
COMPILED = SOURCE.with_suffix(".mo")
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""A catalogue that says when it was compiled would differ each time."""

Message = str | tuple[str, ...]


def main() -> int:
    """Write both catalogues anew, and name what has no French yet."""
    settings.configure()
    django.setup()
    catalog = read_catalog()
    catalog.update(collect(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    SOURCE.write_bytes(write_source(catalog))
    COMPILED.write_bytes(compile_catalog(catalog))
    missing = [message.id for message in catalog if message.id and not is_translated(message.string)]
    for message in missing:
        print(f"no French: {message!r}")
    return 1 if missing else 0


def collect() -> Catalog:
    """Return every sentence of the pages' code and templates that is marked for translation."""
    # Django's own reader of templates, which makes them look like code; it needs settings.
    from django.utils.translation.template import templatize  # noqa: PLC0415

    catalog = Catalog(charset="utf-8")
    for path in sorted(WEB.rglob("*.py")):
        _add(catalog, path, path.read_text("utf-8"))
    for path in sorted(WEB.rglob("templates/**/*.html")):
        # Indentation means nothing in a template, and would end the reader of Python early.
        lines = (line.strip() for line in templatize(path.read_text("utf-8"), origin=str(path)).splitlines())
        _add(catalog, path, "\n".join(lines))
    return catalog


def read_catalog() -> Catalog:
    """Return the French catalogue as it is."""
    if not SOURCE.exists():
        return Catalog(locale=LANGUAGE, charset="utf-8", domain="django")
    return read_po(io.BytesIO(SOURCE.read_bytes()), locale=LANGUAGE, charset="utf-8")


def write_source(catalog: Catalog) -> bytes:
    """Return a catalogue as text, in the order of the sentences, so that two machines write the same."""
    for message in catalog:
        message.locations = []
    catalog.project, catalog.fuzzy = "Cadastre", False
    catalog.header_comment = "# French of Cadastre's pages. `make messages` keeps it in step with the code."
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=120, sort_output=True, omit_header=False, no_location=True)
    dated = ("POT-Creation-Date", "PO-Revision-Date", "Generated-By", "Last-Translator", "Report-Msgid-Bugs-To")
    lines = buffer.getvalue().decode("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(tuple(f'"{name}' for name in dated))).encode("utf-8")


def compile_catalog(catalog: Catalog) -> bytes:
    """Return a catalogue in the form that Django reads, of its sentences alone."""
    plain = Catalog(locale=LANGUAGE, charset="utf-8", creation_date=EPOCH, revision_date=EPOCH, fuzzy=False)
    for message in catalog:
        if message.id:
            plain.add(message.id, message.string, context=message.context, flags=message.flags)
    buffer = io.BytesIO()
    write_mo(buffer, plain)
    return buffer.getvalue()


def is_translated(text: object) -> bool:
    """Return whether a sentence, in all its plural forms, has words."""
    return all(text) if isinstance(text, tuple | list) else bool(text)


def _add(catalog: Catalog, path: Path, code: str) -> None:
    for _, message in _extract(code):
        catalog.add(message, locations=[(str(path.relative_to(CHECKOUT)), 1)])


def _extract(code: str) -> Iterator[tuple[int, Message]]:
    for line, message, _, _ in extract("python", io.BytesIO(code.encode("utf-8")), keywords=KEYWORDS):
        yield line, message


if __name__ == "__main__":
    sys.exit(main())
