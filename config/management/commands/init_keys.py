"""Makes the secrets of a development server: below its data directory, readable by their owner alone."""

import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chain.keys import Account, generate_key
from chain.networks import get_network


class Command(BaseCommand):
    """Write the keys that are missing, and leave those that are there."""

    help = "Make the secret key, anchor key and payout wallet of a development server."
    requires_system_checks: list[str] = []  # noqa: RUF012  Django's own type; the keys' checks would refuse to run

    def handle(self, *args: Any, **options: Any) -> None:
        """Write what is missing. Raises CommandError in production, where keys come from the environment."""
        if settings.IS_PRODUCTION:
            raise CommandError("In production, set the keys in the environment; this command is for development.")
        network = get_network(settings.CADASTRE_NETWORK)
        if network.name == "main":
            raise CommandError("Development keys are not for the main network.")
        folder = settings.CADASTRE_VAR_DIR / "keys"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "payout_xprv").exists():
            account = Account.from_seed(secrets.token_bytes(32), network)
            # The public half first: a crash between the two leaves a wallet that is made anew.
            _write(folder / "payout_xpub", account.xpub)
            _write(folder / "payout_xprv", account.to_xprv())
        if not (folder / "anchor_key").exists():
            _write(folder / "anchor_key", generate_key().to_wif(network))
        if not (folder / "secret_key").exists():
            _write(folder / "secret_key", secrets.token_urlsafe(50))
        self.stdout.write(f"keys in {folder}")


def _write(path: Path, text: str) -> None:
    """Write a secret under a temporary name, then rename, so that a crash leaves all of it or nothing."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
