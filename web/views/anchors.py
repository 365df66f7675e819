"""The pages of the chain of anchors."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from registry.errors import RegisterMissingError
from web.pages import read_number, render_page
from web.selectors.anchors import AnchorNotFoundError, get_anchor_page, get_chain_view


@require_safe
def show_chain(request: HttpRequest) -> HttpResponse:
    """Show the register's identity, and its anchors from a batch's number on."""
    outpoint, from_seq = request.GET.get("register", ""), read_number(request, "from") or 0
    try:
        view = get_chain_view(outpoint=outpoint, from_seq=from_seq)
    except RegisterMissingError as error:
        raise Http404 from error
    return render_page(request, "web/anchors.html", {"view": view})


@require_safe
def show_anchor(request: HttpRequest, txid: str) -> HttpResponse:
    """Show one anchor with all versions of its transaction."""
    try:
        page = get_anchor_page(txid)
    except AnchorNotFoundError as error:
        raise Http404 from error
    return render_page(request, "web/anchor.html", {"page": page})
