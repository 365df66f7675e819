"""Writes the chain's headers to a file, for verifiers that have no node."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from chain.errors import ChainError
from chain.node import get_node
from registry.errors import RegistryError
from registry.services.headers import export_headers


class Command(BaseCommand):
    """Write or extend a headers file."""

    help = "Write the headers of the node's chain to a file that the verifier checks, or extend that file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the file and where it begins."""
        parser.add_argument("file", type=Path, help="the file to write; one that is there is extended")
        parser.add_argument(
            "--from", type=int, default=0, dest="from_height", metavar="HEIGHT", help="begin at this multiple of 2016"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Export, with a bar on a terminal."""
        path = options["file"]
        try:
            with tqdm(unit=" headers", file=self.stderr, disable=not sys.stderr.isatty()) as bar:

                def note_progress(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)

                count = export_headers(
                    node=get_node(), path=path, from_height=options["from_height"], note_progress=note_progress
                )
        except (RegistryError, ChainError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror}") from error
        tip_height = options["from_height"] + count - 1
        self.stdout.write(f"{path}: {count} headers, blocks {options['from_height']} to {tip_height}")
