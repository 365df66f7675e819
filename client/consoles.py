"""Talking to whoever runs the command: results on standard output, everything else on standard error."""

import getpass
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from client.errors import ClientError, ConfigError, PasswordRequiredError

PASSWORD_BYTES_MAX = 1024


class Console:
    """Standard streams of one run of the command; `is_json` makes its result one JSON document."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json

    def print_result(self, document: object, lines: Iterable[str]) -> None:
        """Print the result: the document with --json, else the lines."""
        if self.is_json:
            print(json.dumps(document, indent=2, ensure_ascii=False))
        else:
            for line in lines:
                print(line)

    def note(self, text: str) -> None:
        """Say something that is not part of the result."""
        print(text, file=sys.stderr)

    def print_error(self, error: ClientError, exit_code: int) -> None:
        """Print why the command failed, in one line or one JSON document."""
        if self.is_json:
            document = {"error": type(error).__name__, "detail": str(error), "exit_code": exit_code}
            print(json.dumps(document, ensure_ascii=False), file=sys.stderr)
        else:
            print(f"cadastre: {error}", file=sys.stderr)

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question on a terminal; without one, nobody agreed."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in {"y", "yes"}

    def read_password(self, path: str | None, *, prompt: str, is_new: bool = False) -> str:
        """Return a password: the first line of a file (`-` is standard input), else typed at a prompt.

        Raises PasswordRequiredError if there is neither a file nor a terminal, ConfigError if it cannot be
        read.
        """
        if path is not None:
            return _read_first_line(path)
        if not sys.stdin.isatty():
            raise PasswordRequiredError("A password is needed: name a file with --password-file.")
        password = getpass.getpass(f"{prompt}: ")
        if is_new and getpass.getpass(f"{prompt}, again: ") != password:
            raise ConfigError("The two passwords differ.")
        return password


def _read_first_line(path: str) -> str:
    try:
        data = sys.stdin.buffer.readline(PASSWORD_BYTES_MAX + 1) if path == "-" else _read_file(path)
        line = data.split(b"\n", maxsplit=1)[0].removesuffix(b"\r").decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The password cannot be read from {path}.") from error
    if not line or len(data) > PASSWORD_BYTES_MAX:
        raise ConfigError(f"The password in {path} is empty or longer than {PASSWORD_BYTES_MAX} bytes.")
    return line


def _read_file(path: str) -> bytes:
    with Path(path).open("rb") as stream:
        return stream.readline(PASSWORD_BYTES_MAX + 1)
