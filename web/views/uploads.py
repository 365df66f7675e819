"""The page on which a browser encrypts files and uploads them."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from web.content_policies import loosen_for_encryption
from web.pages import render_page
from web.words import UPLOAD_WORDS, translate_words


@require_safe
@never_cache
@ensure_csrf_cookie
@loosen_for_encryption
def show_upload(request: HttpRequest) -> HttpResponse:
    """Show the page. Everything else happens in the browser, which then talks to the API."""
    return render_page(request, "web/upload.html", {"words": translate_words(UPLOAD_WORDS)})
