"""Typed readers of the environment: each fails loudly, and accepts NAME_FILE for a secret kept in a file."""

import os
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


class Environment:
    """Reads settings from a mapping of strings, the process's environment by default."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = os.environ if values is None else values

    def text(self, name: str, default: str | None = None) -> str:
        """Return NAME, else the content of the file NAME_FILE without its last line break, else the default.

        Raises ImproperlyConfigured if both are set, the file cannot be read, or nothing is set and there is no default.
        """
        file_name = self._values.get(f"{name}_FILE")
        if file_name is not None and name in self._values:
            raise ImproperlyConfigured(f"Set {name} or {name}_FILE, not both.")
        if file_name is not None:
            try:
                return Path(file_name).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ImproperlyConfigured(f"{name}_FILE cannot be read: {error}") from error
        value = self._values.get(name, default)
        if value is None:
            raise ImproperlyConfigured(f"{name} must be set in the environment (or {name}_FILE).")
        return value

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return whether NAME is "true". Raises ImproperlyConfigured unless it is "true" or "false"."""
        value = self.text(name, "true" if default else "false").lower()
        if value not in {"true", "false"}:
            raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
        return value == "true"

    def integer(self, name: str, default: int, *, minimum: int = 0, maximum: int = 2**63 - 1) -> int:
        """Return NAME as an integer. Raises ImproperlyConfigured unless it is one between the bounds."""
        value = self.text(name, str(default))
        try:
            number = int(value)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must be an integer, not {value!r}.") from error
        if not minimum <= number <= maximum:
            raise ImproperlyConfigured(f"{name} must be between {minimum} and {maximum}, not {number}.")
        return number

    def words(self, name: str, default: str) -> list[str]:
        """Return NAME as a list, split at commas, empty parts dropped."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]
