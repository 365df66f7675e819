"""System checks of storage."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning, register  # noqa: A004 - Django's name for it

from storage.sha256 import find_functions


def check_sha256(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001 - Django's hook
    """Warn where digests cannot be carried from one request to the next."""
    if find_functions() is not None:
        return []
    return [
        Warning(
            "This Python has no OpenSSL whose SHA-256 can be put away: an upload in several requests is read again.",
            hint="Use a Python that is linked with the system's OpenSSL, as distributions build it.",
            id="storage.W001",
        )
    ]


def register_checks() -> None:
    """Make Django run these checks."""
    register(check_sha256)
