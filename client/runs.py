"""One run of the command: its arguments, the console, the configuration, and the servers that it talks to."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from client.api import Api
from client.config import Config, get_token, normalize_server_url, read_config
from client.connections import Server
from client.consoles import Console, escape_text
from client.errors import ConfigError
from client.jobs import Stop
from client.links import Link, open_link, parse_link
from client.paces import Pace
from client.progress import Board, Progress


class Run:
    """What every command gets: parsed arguments and everything outside of them."""

    def __init__(self, arguments: argparse.Namespace, *, home: Path, console: Console) -> None:
        self.arguments = arguments
        self.home = home
        self.console = console
        self.config: Config = read_config(home)
        self.stop = Stop()

    @contextmanager
    def connect(self, server_url: str | None = None, *, is_signed_in: bool) -> Iterator[Api]:
        """Give the interface of a server: the one named, else --server's, else the default.

        With `is_signed_in`, raises NotSignedInError if there is no token for it. Without, a token is used if
        there is one. A token is only ever sent to the server that issued it.
        """
        url = server_url or self.get_server_url()
        token = get_token(self.config, url) if is_signed_in else self.config.tokens.get(url)
        server = Server(url, token=token, sleep=self.stop.sleep)
        try:
            yield Api(server)
        finally:
            server.close()

    def get_server_url(self) -> str:
        """Return the URL of --server, or of the server that was signed in to last.

        Raises ConfigError if there is neither.
        """
        url = self.arguments.server or self.config.server_url
        if url is None:
            raise ConfigError("No server is known: name one with --server URL.")
        return normalize_server_url(url)

    def open_link(self, text: str) -> Link:
        """Read a link, asking for its password if it has one; `-` is the next line of standard input."""
        locked = parse_link(self.read_link(text))
        if not locked.is_locked:
            return open_link(locked)
        path = self.arguments.password_file
        return open_link(locked, password=self.console.read_password(path, prompt="Password of the link"))

    def read_link(self, text: str) -> str:
        """Return the argument that names a link, or for `-` the next line of standard input.

        Other users of the machine see arguments in its list of processes, and the shell keeps them.
        """
        return self.console.read_link() if text == "-" else text

    def show_progress(self, label: str, total_bytes: int) -> Progress:
        """Return a progress bar, shown on a terminal or with --progress."""
        is_forced = bool(self.arguments.progress)
        return Progress(
            escape_text(label), total_bytes, is_forced=is_forced, is_silent=self.console.is_json and not is_forced
        )

    def show_board(self, total_bytes: int, *, count: int) -> Board:
        """Return the progress of many files, shown on a terminal or with --progress; it ends an interrupted run."""
        is_forced = bool(self.arguments.progress)
        return Board(
            total_bytes,
            count=count,
            is_forced=is_forced,
            is_silent=self.console.is_json and not is_forced,
            check=self.stop.check,
        )

    def get_pace(self) -> Pace:
        """Return the limit of --limit-rate, which all files share."""
        return Pace(self.arguments.limit_rate, sleep=self.stop.sleep)
