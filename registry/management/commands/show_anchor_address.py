"""Shows the address that funds the anchors."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from chain.errors import ChainError
from chain.networks import get_network
from registry.errors import RegistryError
from registry.services.anchor_keys import get_anchor_keys


class Command(BaseCommand):
    """Print the address of the key that the next anchor pays."""

    help = "Show the address whose outputs pay for the anchors."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the address."""
        try:
            self.stdout.write(get_anchor_keys().payee.address(get_network(settings.CADASTRE_NETWORK)))
        except (RegistryError, ChainError) as error:
            raise CommandError(str(error)) from error
