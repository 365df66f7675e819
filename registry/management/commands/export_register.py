"""Writes the register's static export, or brings one up to date."""

import sys
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from chain.errors import ChainError
from chain.node import get_node
from registry.errors import RegistryError
from registry.selectors.registers import choose_register
from registry.services.exports import export_register


class Command(BaseCommand):
    """Export the register to a folder."""

    help = "Write the register to a folder that anybody can audit; run it again to bring the folder up to date."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the folder and, for another register than the active one, its first outpoint."""
        parser.add_argument("directory", type=Path, help="The folder; it is made if it is missing.")
        parser.add_argument(
            "--register",
            metavar="TXID:VOUT",
            default="",
            help="The first outpoint of the register, for one that was succeeded; without it, the active one.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, and say what there is now."""
        is_silent = not sys.stderr.isatty() or options["verbosity"] == 0
        with _make_bar("records", is_silent=is_silent) as records, _make_bar("headers", is_silent=is_silent) as headers:
            try:
                exported = export_register(
                    directory=options["directory"],
                    node=get_node(),
                    register=choose_register(options["register"]),
                    note_progress=partial(_show, records),
                    note_headers=partial(_show, headers),
                )
            except (RegistryError, ChainError) as error:
                raise CommandError(str(error)) from error
            except OSError as error:
                raise CommandError(f"{error.filename or options['directory']}: {error.strerror}") from error
        self.stdout.write(
            f"{exported.batches:,} batches ({exported.new_batches:,} new), {exported.records:,} records, "
            f"{exported.headers:,} headers"
        )


def _make_bar(label: str, *, is_silent: bool) -> "tqdm[NoReturn]":
    return tqdm(desc=label, unit_scale=True, file=sys.stderr, disable=is_silent)


def _show(bar: "tqdm[NoReturn]", done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)
