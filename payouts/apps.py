"""Names the package to Django."""

from django.apps import AppConfig


class PayoutsConfig(AppConfig):
    """Django's view of this package."""

    name = "payouts"
