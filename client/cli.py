"""The `cadastre` command: its arguments, and one place where errors become messages and exit codes."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from client import exits
from client.commands import (
    audit,
    balance,
    deposit,
    get,
    info,
    key,
    link,
    login,
    ls,
    proof,
    put,
    record,
    register,
    rm,
    verify,
)
from client.config import get_home
from client.consoles import Console
from client.errors import ClientError
from client.runs import Run


class Command(Protocol):
    """What each module of client.commands has."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, run: Run) -> int: ...


COMMANDS: dict[str, Command] = {
    "register": register,
    "login": login,
    "put": put,
    "get": get,
    "info": info,
    "ls": ls,
    "link": link,
    "rm": rm,
    "key": key,
    "record": record,
    "proof": proof,
    "verify": verify,
    "audit": audit,
    "balance": balance,
    "deposit": deposit,
}


VERIFYING = {"verify", "audit"}
"""Commands whose code 1 says "invalid", so that nothing else may end in it."""


class _Parser(argparse.ArgumentParser):
    """An argument parser with our exit code for wrong usage: argparse's own, 2, means undecided here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(exits.USAGE, f"{self.prog}: {message}\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    shared = _Parser(add_help=False)
    shared.add_argument("--server", metavar="URL", help="the server (default: the one signed in to last)")
    shared.add_argument("--json", action="store_true", help="print the result as one JSON document")
    shared.add_argument("--progress", action="store_true", help="show progress even without a terminal")
    parser = _Parser(prog="cadastre", description="Encrypt, upload, pay for, fetch, verify and audit files.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for name, module in COMMANDS.items():
        command = subparsers.add_parser(name, parents=[shared], help=module.HELP, description=module.HELP)
        module.add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    console = Console(is_json=arguments.json)
    try:
        run = Run(arguments, home=get_home(os.environ), console=console)
        return COMMANDS[arguments.command].run(run)
    except ClientError as error:
        code = exits.get_exit_code(error)
        console.print_error(error, code)
        return code
    except OSError as error:
        code = exits.USAGE if arguments.command in VERIFYING else exits.FAILED
        console.print_error(ClientError(f"{error.filename or 'The system'}: {error.strerror or error}."), code)
        return code
    except KeyboardInterrupt:
        console.note("cadastre: interrupted; run the same command again to continue.")
        return exits.INTERRUPTED
    except Exception as error:
        if arguments.command not in VERIFYING:
            raise
        console.note(f"cadastre: the verifier failed: {type(error).__name__}: {error}")
        return exits.FAULT


if __name__ == "__main__":
    sys.exit(main())
