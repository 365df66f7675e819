"""The Django app of the chain: Bitcoin as the rest of the system sees it."""

from django.apps import AppConfig


class ChainConfig(AppConfig):
    """Register the followed blocks and the development node's command."""

    name = "chain"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Bitcoin chain"
