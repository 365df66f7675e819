"""`manage.py devnode`: the embedded development node, in its own process."""

import sys
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chain.devnode.command_line import add_arguments, read_options
from chain.devnode.server import run_server


class Command(BaseCommand):
    """Run a regtest node that validates with Bitcoin Core's own code and speaks its JSON-RPC."""

    help = "Run the development node: a regtest chain validated by Bitcoin Core's own consensus code."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add_arguments(parser)

    def handle(
        self,
        *args: object,
        data: Path,
        port: int,
        bind: str,
        user: str | None,
        password: str | None,
        cookie: bool,
        **options: object,
    ) -> None:
        """Serve until SIGTERM or SIGINT."""
        try:
            server = read_options(data=data, port=port, bind=bind, user=user, password=password, cookie=cookie)
        except ValueError as error:
            raise CommandError(str(error)) from error
        sys.exit(run_server(server))
