"""The pages of the register: home, records, batches, search, status."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from registry.errors import RecordNotFoundError, RegisterMissingError
from registry.selectors.registers import find_register
from web.addresses import get_batch_address, get_chain_address
from web.pages import read_number, render_page
from web.selectors.facts import get_register_facts
from web.selectors.health import get_health
from web.selectors.records import (
    BatchNotFoundError,
    get_batch_view,
    get_newest_records,
    get_record_view,
)
from web.selectors.search import Findings, search


@require_safe
def show_home(request: HttpRequest) -> HttpResponse:
    """Explain the system, with live facts from the register."""
    return render_page(request, "web/home.html", {"facts": get_register_facts()})


@require_safe
def lead_to_icon(request: HttpRequest) -> HttpResponse:  # noqa: ARG001  Django passes it
    """Lead browsers from the address that they guess to the icon; the admin's pages do not name one."""
    return redirect(static("web/mark.svg"), permanent=True)


@require_safe
def list_newest(request: HttpRequest) -> HttpResponse:
    """Show the newest records, or those before the one that `before` names."""
    before = request.GET.get("before")
    try:
        cursor = UUID(before) if before else None
    except ValueError as error:
        raise Http404 from error
    return render_page(request, "web/records.html", {"records": get_newest_records(before=cursor), "before": before})


@require_safe
def show_record(request: HttpRequest, record_id: UUID) -> HttpResponse:
    """Show one record and its way into Bitcoin."""
    try:
        view = get_record_view(record_id, now=timezone.now())
    except RecordNotFoundError as error:
        raise Http404 from error
    return render_page(request, "web/record.html", {"view": view})


@require_safe
def show_batch(request: HttpRequest, seq: int) -> HttpResponse:
    """Show one batch, its anchor, and its records from the index `from` on."""
    try:
        view = get_batch_view(seq, outpoint=request.GET.get("register", ""), from_index=read_number(request, "from"))
    except (BatchNotFoundError, RegisterMissingError, OverflowError) as error:
        raise Http404 from error
    return render_page(request, "web/batch.html", {"view": view})


@require_safe
def show_search(request: HttpRequest) -> HttpResponse:
    """Lead to what was searched for, or show all that was found."""
    text = request.GET.get("q", "")
    found = search(text)
    if found.count == 1:
        return redirect(_lead_to(found))
    return render_page(request, "web/search.html", {"text": text.strip(), "found": found})


@require_safe
def show_status(request: HttpRequest) -> HttpResponse:
    """Show whether the server is well, and how long rows have waited for their sweeps."""
    return render_page(request, "web/status.html", {"health": get_health(now=timezone.now())})


def _lead_to(found: Findings) -> str:
    """Return the address of the one thing that was found."""
    if found.records:
        return reverse("record", args=[found.records[0].record.id])
    if found.batches:
        return get_batch_address(found.batches[0].register, found.batches[0].seq, active=find_register())
    if found.anchors and found.anchors[0].current:
        return reverse("anchor", args=[found.anchors[0].current.txid])
    return get_chain_address(found.registers[0], active=find_register())
