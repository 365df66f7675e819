"""Talking to whoever runs the command: results on standard output, everything else on standard error."""

import getpass
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from client.errors import ClientError, ConfigError, LinkError, OutputClosedError, PasswordRequiredError

PASSWORD_BYTES_MAX = 1024
LINK_BYTES_MAX = 4096


class Console:
    """Standard streams of one run of the command; `is_json` makes its result one JSON document.

    Much of what is shown was written by strangers, such as names of payees and details of problems. So this is
    the only place that prints, and nothing that moves a cursor or hides a letter passes it.
    """

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json

    def print_result(self, document: object, lines: Iterable[str]) -> None:
        """Print the result: the document with --json, else the lines."""
        if self.is_json:
            _write(_dump_json(document, indent=2))
        else:
            for line in lines:
                self.print_line(line)

    def print_line(self, line: str) -> None:
        """Print one line of the result at once."""
        _write(escape_text(line))

    def write_bytes(self, data: bytes) -> None:
        """Write bytes to standard output as they are.

        Raises OutputClosedError if nobody reads them, OSError if they cannot be written for another reason; after
        either, everything is written to nowhere.
        """
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            _write_to_nowhere()
            if isinstance(error, BrokenPipeError):
                raise OutputClosedError from error
            raise

    def note(self, *lines: str) -> None:
        """Say something that is not part of the result."""
        for line in lines:
            print(escape_text(line), file=sys.stderr)

    def print_error(self, error: ClientError, exit_code: int) -> None:
        """Print why the command failed, in one line or one JSON document."""
        if self.is_json:
            document = {"error": type(error).__name__, "detail": str(error), "exit_code": exit_code}
            print(_dump_json(document), file=sys.stderr)
        else:
            self.note(f"cadastre: {error}")

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question on a terminal; without one, nobody agreed."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        print(f"{escape_text(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def read_password(self, path: str | None, *, prompt: str, is_new: bool = False) -> str:
        """Return a password: the first line of a file (`-` is standard input), else typed at a prompt.

        Raises PasswordRequiredError if there is neither a file nor a terminal, ConfigError if it cannot be
        read.
        """
        if path is not None:
            return _read_first_line(path, what="password", bytes_max=PASSWORD_BYTES_MAX)
        if not sys.stdin.isatty():
            raise PasswordRequiredError("A password is needed: name a file with --password-file.")
        password = getpass.getpass(f"{prompt}: ")
        if is_new and getpass.getpass(f"{prompt}, again: ") != password:
            raise ConfigError("The two passwords differ.")
        return password

    def read_line(self, path: str, *, what: str, bytes_max: int) -> str:
        """Return the first line of a file (`-` is standard input). Raises ConfigError if it cannot be read."""
        return _read_first_line(path, what=what, bytes_max=bytes_max)

    def read_link(self) -> str:
        """Return a link: the next line of standard input.

        Raises LinkError if there is none.
        """
        try:
            return _read_first_line("-", what="link", bytes_max=LINK_BYTES_MAX)
        except ConfigError as error:
            raise LinkError(str(error)) from error


def escape_text(text: str) -> str:
    """Return a text in which every character that is not printable, a line's end too, is written as `\\x1b` is."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _write(text: str) -> None:
    """Write to standard output at once. That nobody reads on changes no exit code.

    Raises OSError if it cannot be written for another reason; after that, everything is written to nowhere.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        _write_to_nowhere()
        if not isinstance(error, BrokenPipeError):
            raise


def _write_to_nowhere() -> None:
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _dump_json(document: object, *, indent: int | None = None) -> str:
    """Return JSON with the letters of every language, and all that is not printable as `\\u001b` is."""
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


def _read_first_line(path: str, *, what: str, bytes_max: int) -> str:
    try:
        data = sys.stdin.buffer.readline(bytes_max + 1) if path == "-" else _read_file(path, bytes_max)
        line = data.split(b"\n", maxsplit=1)[0].removesuffix(b"\r").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The {what} cannot be read from {path}.") from error
    if not line or len(data) > bytes_max:
        raise ConfigError(f"The {what} in {path} is empty or longer than {bytes_max} bytes.")
    return line


def _read_file(path: str, bytes_max: int) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.readline(bytes_max + 1)
