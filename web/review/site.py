"""Cadastre's admin site: its names, and what reviewers see first."""

from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from web.selectors.health import get_health


class ReviewSite(AdminSite):
    """Django admin under Cadastre's name."""

    site_header = "Cadastre"
    site_title = "Cadastre review"
    index_title = "Review"
    index_template = "web/review/index.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what is wrong, what waits, and what the anchors have left, above Django's list of tables."""
        health = get_health(now=timezone.now())
        return super().index(request, {**(extra_context or {}), "health": health, "network": settings.CADASTRE_NETWORK})
