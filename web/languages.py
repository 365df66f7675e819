"""Which language a page speaks: the visitor's choice, else the browser's. Machines' addresses always speak English."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers

ENGLISH_PREFIXES = ("/api/", "/admin/", "/metrics", "/problems/")
"""What programs compare must not depend on whose browser asks; the admin is not translated."""


class PageLocaleMiddleware(LocaleMiddleware):
    """Chooses the language of pages."""

    def process_request(self, request: HttpRequest) -> None:
        """Activate the page's language."""
        if not request.path.startswith(ENGLISH_PREFIXES):
            super().process_request(request)
            return
        translation.activate(settings.LANGUAGE_CODE)
        request.LANGUAGE_CODE = settings.LANGUAGE_CODE

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say which language the answer is in, and what it follows from."""
        if request.path.startswith(ENGLISH_PREFIXES):
            response.headers.setdefault("Content-Language", settings.LANGUAGE_CODE)
            return response
        patch_vary_headers(response, ("Cookie",))
        return super().process_response(request, response)
