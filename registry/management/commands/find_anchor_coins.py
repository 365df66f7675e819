"""Finds payments to the anchor keys in blocks that were followed before the keys were known."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chain.errors import ChainError
from chain.node import get_node
from registry.errors import RegistryError
from registry.services.anchor_coins import find_coins


class Command(BaseCommand):
    """Look at followed blocks again for coins of the anchor keys."""

    help = "Find unspent payments to the anchor keys in blocks that have been followed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the first height."""
        parser.add_argument(
            "--from",
            dest="from_height",
            type=int,
            metavar="HEIGHT",
            help="the first block to look at; without it CADASTRE_CHAIN_START_HEIGHT",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, and say how many are new."""
        if options["from_height"] is not None and options["from_height"] < 0:
            raise CommandError("A height is not negative.")
        try:
            found = find_coins(node=get_node(), now=timezone.now(), from_height=options["from_height"])
        except (RegistryError, ChainError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{found} new {'coin' if found == 1 else 'coins'} of the anchor keys")
