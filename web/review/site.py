"""Cadastre's admin site: its names, and what reviewers see first."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from web.selectors.facts import get_review_facts


class ReviewSite(AdminSite):
    """Django admin under Cadastre's name."""

    site_header = "Cadastre"
    site_title = "Cadastre review"
    index_title = "Review"
    index_template = "web/review/index.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show what waits for a reviewer or for Bitcoin, above Django's list of tables."""
        facts = get_review_facts(now=timezone.now())
        return super().index(request, {**(extra_context or {}), "facts": facts})
