"""Names the package to Django."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Django's view of this package."""

    name = "web"
