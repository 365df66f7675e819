"""Founds the register of this network on an output that was paid to the anchor key."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chain.errors import BlockPrunedError, ChainError
from chain.networks import get_network
from chain.node import NodeClient, get_node
from registry.errors import RegistryError
from registry.models import Register
from registry.services.anchor_coins import find_coins
from registry.services.anchor_keys import get_anchor_keys
from registry.services.founding import CONFIRMATIONS_MIN, find_first_outpoint, found_register
from registry.services.successions import succeed_register

SCAN_SECONDS_MAX = 900
"""A node with slow disks reads all unspent outputs of the main network in so long."""

BLOCKS_PER_LINE = 1_000


class Command(BaseCommand):
    """Name the first outpoint, the register's identity for ever."""

    help = "Found the register of this network on an output paid to the anchor key."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the outpoint, or find it."""
        parser.add_argument(
            "--outpoint", help="TXID:VOUT; without it the oldest suitable output in the chain is taken."
        )
        parser.add_argument(
            "--succeeds",
            help="TXID:VOUT, the first outpoint of the active register, whose key was lost: the new one continues it.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Found the register, or say what is missing."""
        node = get_node(timeout_s_min=SCAN_SECONDS_MAX)
        try:
            outpoint = _parse(options["outpoint"]) if options["outpoint"] else self._find(node)
            if outpoint is None:
                address = get_anchor_keys().payee.address(get_network(settings.CADASTRE_NETWORK))
                raise CommandError(
                    f"No output with {CONFIRMATIONS_MIN} confirmations pays the anchor key yet. Pay to {address}, "
                    "wait for the confirmations, and run this again."
                )
            register = self._found(outpoint, succeeds=options["succeeds"], node=node)
        except (RegistryError, ChainError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{register} with {register.first_value_sat} sat")
        self._find_coins(node)

    def _find(self, node: NodeClient) -> tuple[str, int] | None:
        """Find the oldest suitable output, and say how far that is where every block has to be read."""

        def note_progress(height: int, last_height: int) -> None:
            if height % BLOCKS_PER_LINE == 0:
                self.stderr.write(f"looked at block {height} of {last_height}")

        try:
            return find_first_outpoint(node=node, note_progress=note_progress)
        except BlockPrunedError as error:
            advice = "Name the output with --outpoint, or use a node that has the block."
            raise CommandError(f"{error}. {advice}") from error

    def _find_coins(self, node: NodeClient) -> None:
        """Find what else was paid to the key in blocks that were followed without it. The register is founded."""
        try:
            found = find_coins(node=node, now=timezone.now())
        except ChainError as error:
            raise CommandError(
                f"The register is founded. Other payments to its key were not looked for: {error} "
                "Run find_anchor_coins later."
            ) from error
        if found:
            self.stdout.write(f"{found} more {'coin' if found == 1 else 'coins'} of the anchor key")

    def _found(self, outpoint: tuple[str, int], *, succeeds: str | None, node: NodeClient) -> Register:
        txid, vout = outpoint
        if succeeds is None:
            return found_register(txid=txid, vout=vout, node=node, now=timezone.now())
        old_txid, old_vout = _parse(succeeds)
        old_outpoint = f"{old_txid}:{old_vout}"
        return succeed_register(old_outpoint=old_outpoint, txid=txid, vout=vout, node=node, now=timezone.now())


def _parse(text: str) -> tuple[str, int]:
    txid, _, vout = text.partition(":")
    if len(txid) != 64 or not vout.isdecimal():  # noqa: PLR2004  a transaction id in hex
        raise CommandError("An outpoint is written TXID:VOUT.")
    return txid.lower(), int(vout)
