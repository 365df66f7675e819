"""The page that a link opens in a browser."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from storage.errors import DigestBlockedError, LinkEndedError, LinkNotFoundError
from web.pages import render_page
from web.selectors.links import get_link_view


@require_safe
@never_cache
def show_link(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """Show what a link carries, what it costs, who is paid, and how to fetch it."""
    try:
        view = get_link_view(link_id, now=timezone.now())
    except (LinkNotFoundError, LinkEndedError, DigestBlockedError) as error:
        raise Http404 from error
    return render_page(request, "web/link.html", {"view": view})
