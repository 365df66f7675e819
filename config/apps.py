"""Django's view of the wiring, and the admin site."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from config.checks import register_checks


class ConfigConfig(AppConfig):
    """The wiring: nudges between packages and the management commands that span them."""

    name = "config"

    def ready(self) -> None:
        """Register the system checks."""
        register_checks()


class CadastreAdminConfig(AdminConfig):
    """Django admin, with Cadastre's own site."""

    default_site = "web.review.site.ReviewSite"
