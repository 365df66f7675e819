"""Names the package to Django."""

from django.apps import AppConfig


class UsersConfig(AppConfig):
    """Django's view of this package."""

    name = "users"
