"""The people of the demo. Each uses the `cadastre` command with a folder of their own."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from demo.processes import CHECKOUT

COMMAND = Path(sys.executable).with_name("cadastre")


class CommandFailedError(RuntimeError):
    """The `cadastre` command ended with another status than expected."""


class Person:
    """Somebody with a user name, a password and a folder for the command's files."""

    def __init__(self, name: str, *, folder: Path, server_url: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server_url = server_url
        self._password_file = self.folder / "password"
        self._password_file.write_text(secrets.token_urlsafe(16))
        self._password_file.chmod(0o600)

    def sign_up(self, *scopes: str) -> None:
        """Register, sign in and keep a token with these scopes, the command's own defaults if none are given."""
        options = ["--server", self._server_url, "--password-file", str(self._password_file)]
        self.cadastre("register", self.name, *options)
        self.cadastre("login", self.name, *options, *(part for scope in scopes for part in ("--scope", scope)))

    @property
    def token(self) -> str:
        """The API token that the command keeps."""
        config = json.loads((self.folder / "config.json").read_text())
        return str(config["tokens"][self._server_url])

    def cadastre(self, *arguments: str, expected: int = 0) -> Any:
        """Run the `cadastre` command with --json and return what it answers.

        Raises CommandFailedError if it ends with another status than expected.
        """
        finished = subprocess.run(
            [str(COMMAND), *arguments, "--json"],
            cwd=CHECKOUT,
            env={**os.environ, "CADASTRE_HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode != expected:
            raise CommandFailedError(
                f"cadastre {arguments[0]} ended with {finished.returncode}, not {expected}:\n"
                f"{finished.stdout}{finished.stderr}"
            )
        return json.loads(finished.stdout) if finished.stdout.strip() else None
