"""The page that a link opens in a browser, and the worker that decrypts below it."""

from uuid import UUID

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from storage.errors import (
    DigestBlockedError,
    LinkDeletedError,
    LinkDisabledError,
    LinkEndedError,
    LinkExpiredError,
    LinkNotFoundError,
    LinkUsedUpError,
    StorageError,
)
from storage.models import Report
from web.bundles import get_bundle
from web.content_policies import loosen_for_encryption, loosen_for_previews
from web.pages import render_page
from web.selectors.links import get_link_view
from web.words import SHARE_WORDS, translate_words

GONE = 410
WHY_ENDED: dict[type[StorageError], Promise] = {
    LinkExpiredError: _("Its time is over."),
    LinkUsedUpError: _("As many transfers were made of it as it allowed."),
    LinkDeletedError: _("Whoever shared it has deleted it."),
    LinkDisabledError: _("A reviewer has disabled it."),
    DigestBlockedError: _("Its bytes are not served here, by a reviewer's decision."),
}
CATEGORY_WORDS: dict[str, Promise] = {
    Report.Category.COPYRIGHT: _("It infringes my or somebody's rights"),
    Report.Category.ABUSE: _("It shows the abuse of a child"),
    Report.Category.VIOLENCE: _("It calls for violence or terror"),
    Report.Category.PRIVACY: _("It exposes a person"),
    Report.Category.MALWARE: _("It harms computers or deceives"),
    Report.Category.OTHER: _("It is unlawful otherwise"),
}


@require_safe
@never_cache
@ensure_csrf_cookie
@loosen_for_previews
def show_link(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """Show what a link costs, who is paid, and how to fetch it; what it carries only the browser can show."""
    try:
        view = get_link_view(link_id, now=timezone.now())
    except LinkNotFoundError as error:
        raise Http404 from error
    except (LinkEndedError, DigestBlockedError) as error:
        return render_page(request, "web/link_ended.html", {"why": WHY_ENDED[type(error)]}, status=GONE)
    context = {
        "view": view,
        "is_owner": request.user.pk == view.link.owner_id,
        "report_categories": list(CATEGORY_WORDS.items()),
        "words": translate_words(SHARE_WORDS),
    }
    return render_page(request, "web/link.html", context)


@require_safe
@loosen_for_encryption
def serve_worker(request: HttpRequest) -> FileResponse:  # noqa: ARG001  Django passes it
    """Serve the script that answers the addresses of plaintext inside the browser.

    A service worker may only answer addresses below its own, so it cannot lie with the other scripts.
    """
    response = FileResponse(get_bundle("service_worker").path.open("rb"), content_type="text/javascript; charset=utf-8")
    # Browsers compare it with what they have, byte by byte.
    response["Cache-Control"] = "no-cache"
    return response
