"""Names the package to Django."""

from django.apps import AppConfig


class StorageConfig(AppConfig):
    """Django's view of this package."""

    name = "storage"
