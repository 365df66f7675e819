"""Renders the site's pages with what all of them show."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def render_page(
    request: HttpRequest, template: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """Return a page; every page says which Bitcoin network its register is anchored in."""
    shared = {
        "network": settings.CADASTRE_NETWORK,
        "is_test_network": settings.CADASTRE_NETWORK != "main",
        "public_url": settings.CADASTRE_PUBLIC_URL,
    }
    return render(request, template, {**shared, **(context or {})}, status=status)
