"""Renders the site's pages with what all of them show."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject

from registry.selectors.registers import find_register

NUMBER_DIGITS_MAX = 18
"""A number of so many digits is below 2**63, which is what the databases hold."""


def read_number(request: HttpRequest, name: str) -> int | None:
    """Return a whole number of the address's query, or None if there is none. Raises Http404 if it is malformed."""
    text = request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
        raise Http404
    return int(text)


def render_page(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Return a page; every page says which Bitcoin network its register is anchored in.

    The active register is looked up if the page asks for it.
    """
    shared = {
        "active_register": SimpleLazyObject(find_register),
        "network": settings.CADASTRE_NETWORK,
        "is_test_network": settings.CADASTRE_NETWORK != "main",
        "public_url": settings.CADASTRE_PUBLIC_URL,
    }
    return render(request, template, {**shared, **(context or {})}, status=status)
