"""Founds the register of this network on an output that was paid to the anchor key."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chain.errors import ChainError
from chain.networks import get_network
from chain.node import get_node
from registry.errors import RegistryError
from registry.services.founding import CONFIRMATIONS_MIN, find_first_outpoint, found_register, get_anchor_key


class Command(BaseCommand):
    """Name the first outpoint, the register's identity for ever."""

    help = "Found the register of this network on an output paid to the anchor key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the outpoint, or find it."""
        parser.add_argument(
            "--outpoint", help="TXID:VOUT; without it the oldest suitable output in the chain is taken."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Found the register, or say what is missing."""
        node = get_node()
        try:
            outpoint = _parse(options["outpoint"]) if options["outpoint"] else find_first_outpoint(node=node)
            if outpoint is None:
                address = get_anchor_key().address(get_network(settings.CADASTRE_NETWORK))
                raise CommandError(
                    f"No output with {CONFIRMATIONS_MIN} confirmations pays the anchor key yet. Pay to {address}, "
                    "wait for the confirmations, and run this again."
                )
            register = found_register(txid=outpoint[0], vout=outpoint[1], node=node, now=timezone.now())
        except (RegistryError, ChainError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{register} with {register.first_value_sat} sat")


def _parse(text: str) -> tuple[str, int]:
    txid, _, vout = text.partition(":")
    if len(txid) != 64 or not vout.isdecimal():  # noqa: PLR2004  a transaction id in hex
        raise CommandError("An outpoint is written TXID:VOUT.")
    return txid.lower(), int(vout)
