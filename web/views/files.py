"""The own files: a person's links, to be changed and deleted."""

from decimal import Decimal
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from storage.errors import (
    BlobErasedError,
    ExpiryOutOfRangeError,
    LinkEndedError,
    LinkNotFoundError,
    NotLinkOwnerError,
)
from storage.models import Link
from storage.selectors import get_own_link
from storage.services.link_changes import LinkLimits, change_link, delete_link
from users.models import User
from web.forms import MSAT_PER_SAT, LinkForm
from web.pages import render_page
from web.selectors.files import get_file_list
from web.words import FILES_WORDS, translate_words

INVALID = 422


@require_safe
@login_required
@never_cache
def list_files(request: HttpRequest) -> HttpResponse:
    """Show the links of whoever is signed in, the newest first."""
    before = request.GET.get("before")
    try:
        cursor = UUID(before) if before else None
    except ValueError as error:
        raise Http404 from error
    found = get_file_list(owner_id=_get_user_id(request), before=cursor, now=timezone.now())
    return render_page(
        request, "web/files.html", {"files": found, "before": before, "words": translate_words(FILES_WORDS)}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def change_file(request: HttpRequest, link_id: UUID) -> HttpResponseBase:
    """Change a link's price and limits."""
    try:
        link = get_own_link(link_id=link_id, owner_id=_get_user_id(request))
    except (LinkNotFoundError, NotLinkOwnerError, LinkEndedError) as error:
        raise Http404 from error
    if request.method != "POST":
        return render_page(request, "web/file_change.html", {"form": _fill(link), "link": link})
    form = LinkForm(request.POST)
    if form.is_valid() and _change(form, link, _get_user_id(request)):
        messages.success(request, _("The link was changed."))
        return redirect("files")
    return render_page(request, "web/file_change.html", {"form": form, "link": link}, status=INVALID)


@require_POST
@login_required
def delete_file(request: HttpRequest, link_id: UUID) -> HttpResponseBase:
    """Delete a link; its bytes go with the last link to them."""
    try:
        delete_link(link_id=link_id, owner_id=_get_user_id(request), now=timezone.now())
    except (LinkNotFoundError, NotLinkOwnerError) as error:
        raise Http404 from error
    messages.success(request, _("The link was deleted. Nobody can use it any more."))
    return redirect("files")


def _fill(link: Link) -> LinkForm:
    return LinkForm(
        initial={
            "price_sat": (Decimal(link.price_msat) / MSAT_PER_SAT).normalize(),
            "expires_at": link.expires_at,
            "transfers_max": link.transfers_max,
        }
    )


def _change(form: LinkForm, link: Link, owner_id: UUID) -> bool:
    """Change a link as a valid form says, or put the reason why not into the form."""
    try:
        change_link(link_id=link.id, owner_id=owner_id, limits=LinkLimits(**form.limits), now=timezone.now())
    except ExpiryOutOfRangeError:
        form.add_error("expires_at", _("Choose a time in the future, within a hundred years."))
    except BlobErasedError:
        form.add_error(None, _("The file's bytes were erased since. Upload it again."))
    else:
        return True
    return False


def _get_user_id(request: HttpRequest) -> UUID:
    assert isinstance(request.user, User), "the view requires somebody who is signed in"
    return request.user.id
