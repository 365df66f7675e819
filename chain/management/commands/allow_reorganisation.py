"""Shows where the node's chain leaves the followed one, and allows to follow it although that is deep."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chain.errors import ChainError
from chain.forks import REORGANISATION_BLOCKS_MAX, Fork, describe_fork
from chain.node import get_node
from chain.reorganisations import allow_reorganisation, find_reorganisation, list_consumers


class Command(BaseCommand):
    """manage.py allow_reorganisation [--fork HEIGHT:HASH]"""

    help = "Show where the node's chain leaves the followed one; with --fork, allow to undo every block above that."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the last block that both chains have."""
        parser.add_argument("--fork", metavar="HEIGHT:HASH", help="the last block that both chains have")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show every consumer's fork, and allow those at the named block."""
        fork_height, _, fork_hash = (options["fork"] or "").partition(":")
        if options["fork"] and not fork_height.isdecimal():
            raise CommandError("--fork must look like HEIGHT:HASH")
        allowed = 0
        try:
            for consumer in list_consumers():
                fork = find_reorganisation(node=get_node(), consumer=consumer)
                self._show(consumer, fork)
                if fork is None or fork.name != options["fork"]:
                    continue
                allow_reorganisation(
                    node=get_node(),
                    consumer=consumer,
                    fork_height=int(fork_height),
                    fork_hash=fork_hash,
                    now=timezone.now(),
                )
                allowed += 1
        except ChainError as error:
            raise CommandError(str(error)) from error
        if options["fork"] and not allowed:
            raise CommandError("the node's chain leaves no followed chain there; nothing was allowed")
        if allowed:
            self.stdout.write(f"Allowed for {allowed}: the next look at the chain undoes these blocks.")

    def _show(self, consumer: str, fork: Fork | None) -> None:
        """Print where a consumer stands, and how to allow what is too deep."""
        if fork is None:
            self.stdout.write(f"{consumer} is on the node's chain.")
            return
        self.stdout.write(f"{describe_fork(fork)}.")
        if fork.last is not None and fork.depth > REORGANISATION_BLOCKS_MAX:
            self.stdout.write(f"To allow it: --fork {fork.name}")
