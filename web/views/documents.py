"""The documentation, and one page for each type of problem."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from web.pages import render_page
from web.selectors.documents import KINDS, DocumentNotFoundError, get_document, list_documents


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One type of problem as its page shows it: HTTP status, title, and what it means, one sentence per cause."""

    status: int
    title: str
    meanings: tuple[str, ...]


@require_safe
def show_documents(request: HttpRequest) -> HttpResponse:
    """List the pages of documentation by kind."""
    kinds = [(KINDS[kind], pages) for kind, pages in list_documents().items()]
    return render_page(request, "web/documents.html", {"kinds": kinds})


@require_safe
def show_document(request: HttpRequest, name: str) -> HttpResponse:
    """Show one page of documentation."""
    try:
        document = get_document(name.removesuffix(".md"))
    except DocumentNotFoundError as error:
        raise Http404 from error
    return render_page(request, "web/document.html", {"document": document})


@require_safe
def show_problem(request: HttpRequest, slug: str, problems: Mapping[str, ProblemType]) -> HttpResponse:
    """Explain one type of problem; `type` of a problem document leads here."""
    if slug not in problems:
        raise Http404
    return render_page(request, "web/problem.html", {"slug": slug, "problem": problems[slug]})
