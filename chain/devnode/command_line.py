"""The development node's options, shared by `python -m chain.devnode` and `manage.py devnode`."""

import argparse
from pathlib import Path

from chain.devnode.server import ServerOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--data", required=True, type=Path, metavar="DIR", help="directory of this node alone")
    parser.add_argument("--port", type=int, default=18443, help="port to listen on, 0 for any free one")
    parser.add_argument("--bind", default="127.0.0.1", metavar="ADDRESS", help="address to listen on")
    parser.add_argument("--user", help="user name of the RPC; without one, DIR/.cookie holds the credentials")
    parser.add_argument("--password", help="password of the RPC")
    parser.add_argument("--cookie", action="store_true", help="write the credentials to DIR/.cookie (the default)")


def read_options(
    *, data: Path, port: int, bind: str, user: str | None, password: str | None, cookie: bool
) -> ServerOptions:
    """Turn the options' values into the server's.

    Raises ValueError if they contradict each other.
    """
    if (user is None) != (password is None):
        raise ValueError("--user and --password go together")
    if cookie and user is not None:
        raise ValueError("--cookie takes the place of --user and --password")
    return ServerOptions(data.resolve(), bind, port, user, password)
