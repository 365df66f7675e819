"""The documentation on the site, and the pages of problem types."""

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from config.problem_pages import list_problem_types
from config.problems import FRAMEWORK_PROBLEMS, INTERNAL, PROBLEMS, SCOPE_MISSING, Problem
from tests.web.readers import read_text

PAGES = sorted(
    path.relative_to(settings.BASE_DIR / "docs").with_suffix("").as_posix()
    for kind in ("tutorial", "how-to", "reference", "explanation")
    for path in Path(settings.BASE_DIR, "docs", kind).glob("*.md")
)
"""Also the test that there is documentation at all: without it, pytest has nothing to run here and says so."""


def test_the_list_has_all_four_kinds(client: Client):
    text = read_text(client.get("/docs/"))

    for kind in ("Tutorial", "How-to guides", "Reference", "Explanation"):
        assert kind in text


@pytest.mark.parametrize("name", PAGES)
def test_every_page_of_documentation_is_listed_and_opens(client: Client, name: str):
    page = client.get(f"/docs/{name}")

    assert page.status_code == 200
    assert f'href="/docs/{name}"' in client.get("/docs/").content.decode()
    assert client.get(f"/docs/{name}.md").status_code == 200


@pytest.mark.parametrize(
    "name", ["reference/nothing", "nothing/glossary", "reference/../index", "../README", "index", "reference/"]
)
def test_what_is_no_page_is_not_found(client: Client, name: str):
    assert client.get(f"/docs/{name}").status_code == 404


@pytest.mark.parametrize("slug", sorted({p.slug for p in (*PROBLEMS.values(), *FRAMEWORK_PROBLEMS.values())}))
def test_every_type_of_problem_has_a_page(client: Client, slug: str):
    page = client.get(f"/problems/{slug}")

    problem = list_problem_types()[slug]
    assert page.status_code == 200
    assert f"{problem.title} The API answers with status {problem.status}" in read_text(page)


@pytest.mark.parametrize("problem", [SCOPE_MISSING, INTERNAL])
def test_the_two_types_outside_the_table_have_pages_too(client: Client, problem: Problem):
    assert problem.title in read_text(client.get(f"/problems/{problem.slug}"))


def test_an_unknown_type_of_problem_is_not_found(client: Client):
    assert client.get("/problems/nothing").status_code == 404
