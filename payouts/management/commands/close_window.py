"""Closes the open settlement window before its time, for an operator who does not want to wait."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from payouts.services.windows import close_window


class Command(BaseCommand):
    """Close the window; the sweeps settle it."""

    help = "Close the open settlement window now, if it has anything to settle."

    def handle(self, *args: Any, **options: Any) -> None:
        """Close it, and say which one was closed."""
        window = close_window(now=timezone.now(), is_early=True)
        self.stdout.write("nothing to settle" if window is None else f"window {window.number} is closed")
