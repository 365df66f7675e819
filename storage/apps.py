"""Names the package to Django."""

from django.apps import AppConfig

from storage.checks import register_checks


class StorageConfig(AppConfig):
    """Django's view of this package."""

    name = "storage"

    def ready(self) -> None:
        """Register the system checks."""
        register_checks()
