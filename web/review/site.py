"""Cadastre's admin site: its names, and what reviewers see first."""

from django.contrib.admin import AdminSite


class ReviewSite(AdminSite):
    """Django admin under Cadastre's name."""

    site_header = "Cadastre"
    site_title = "Cadastre review"
    index_title = "Review"
