"""The verifier's command.

python -m registry.proof verify (FILE | --digest HEX) PROOF (--header HEIGHT:HEX | --headers FILE | --node URL |
--esplora URL)...

It needs Python's standard library and nothing else. Exit code 0: valid, 1: invalid, 2: undecided, 3: wrong
usage, or what the system refuses, 70: the verifier itself failed.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from registry.proof import auditing, verifying
from registry.proof.errors import UsageError
from registry.proof.reports import settle
from registry.proof.versions import VERSION


class Command(Protocol):
    """What the module of a command has."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's own arguments, of which one is --json."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do what the command does, and return the exit code."""


COMMANDS: dict[str, Command] = {"verify": verifying, "audit": auditing}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are our errors, for its own exit code would say "undecided"."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None, *, program: str = "python -m registry.proof") -> int:
    """Run the command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return settle(lambda: _run(program, arguments), is_json="--json" in arguments)


def _run(program: str, arguments: list[str]) -> int:
    parsed = _make_parser(program).parse_args(arguments)
    return COMMANDS[parsed.command].run(parsed)


def _make_parser(program: str) -> _Parser:
    parser = _Parser(prog=program, description="Verify that a file existed before a Bitcoin block.")
    parser.add_argument("--version", action="version", version=f"cadastre-verify {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.HELP, allow_abbrev=False))
    return parser


if __name__ == "__main__":  # pragma: no cover - the tests call main
    sys.exit(main())
