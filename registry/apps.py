"""Names the package to Django."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Django's view of this package."""

    name = "registry"
