"""The documentation names every setting, management command, make target and problem type, and has no dead link."""

import re
from pathlib import Path

import pytest

from config.problem_pages import list_problem_types

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def read_settings() -> set[str]:
    """Return the names that the settings read from the environment."""
    return set(re.findall(r'"(CADASTRE_[A-Z0-9_]+)"', (ROOT / "config" / "settings.py").read_text()))


@pytest.mark.parametrize("name", sorted(read_settings()))
def test_every_setting_is_documented(name: str):
    assert f"`{name}`" in (DOCS / "reference" / "settings.md").read_text()


def test_no_setting_is_documented_that_does_not_exist():
    documented = set(re.findall(r"`(CADASTRE_[A-Z0-9_]+)`", (DOCS / "reference" / "settings.md").read_text()))
    assert {name.removesuffix("_FILE") for name in documented} <= read_settings()


@pytest.mark.parametrize(
    "name",
    sorted(path.stem for path in ROOT.glob("*/management/commands/*.py") if path.stem != "__init__"),
)
def test_every_management_command_is_documented(name: str):
    assert any(f"manage.py {name}" in page.read_text() for page in PAGES), name


@pytest.mark.parametrize("slug", sorted(list_problem_types()))
def test_every_problem_type_is_documented(slug: str):
    pages = ("api-conventions.md", "uploads.md", "links.md")
    assert any(f"`{slug}`" in (DOCS / "reference" / page).read_text() for page in pages)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page: Path):
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_on_the_index():
    index = (DOCS / "index.md").read_text()
    for page in sorted(DOCS.rglob("*.md")):
        if page.name != "index.md":
            assert str(page.relative_to(DOCS)) in index, page


def test_every_make_target_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert targets is not None
    for target in targets[1].split():
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
