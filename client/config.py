"""Where the command keeps what it knows: the default server, one token per server, and unfinished uploads.

The folder is $CADASTRE_HOME, else $XDG_CONFIG_HOME/cadastre, else ~/.config/cadastre. Files are readable by
their user alone: a token spends money and an unfinished upload holds a key.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from client.durability import make_private_folder, sync_folder
from client.errors import ConfigError, NotSignedInError

CONFIG_NAME = "config.json"
_SERVER_URL = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Config:
    """The configuration: a default server's URL and, per server's URL, a bearer token."""

    server_url: str | None = None
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)


def get_home(environment: Mapping[str, str]) -> Path:
    """Return the folder of the command's files, which need not exist."""
    if home := environment.get("CADASTRE_HOME"):
        return Path(home)
    if base := environment.get("XDG_CONFIG_HOME"):
        return Path(base) / "cadastre"
    return Path.home() / ".config" / "cadastre"


def normalize_server_url(text: str) -> str:
    """Return a server's URL in its one spelling, without a path.

    Raises ConfigError if it is not `http://host[:port]` or `https://host[:port]`.
    """
    url = text.strip().rstrip("/").lower()
    if not _SERVER_URL.fullmatch(url):
        raise ConfigError(f"{text!r} is not a server's URL like https://cadastre.example.")
    return url


def read_config(home: Path) -> Config:
    """Return the stored configuration, or an empty one.

    Raises ConfigError if the file is malformed.
    """
    path = home / CONFIG_NAME
    try:
        document = json.loads(path.read_text("utf-8"))
        tokens = document["tokens"]
        server_url = document["server_url"]
        is_well_formed = all(isinstance(part, str) for pair in tokens.items() for part in pair)
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: remove it and sign in again.") from error
    if not is_well_formed or not isinstance(server_url, str | None):
        raise ConfigError(f"{path} is malformed: remove it and sign in again.")
    return Config(server_url, tokens)


def store_token(home: Path, server_url: str, token: str) -> None:
    """Store a server's token and make that server the default."""
    config = read_config(home)
    config = replace(config, server_url=server_url, tokens={**config.tokens, server_url: token})
    text = json.dumps({"server_url": config.server_url, "tokens": dict(config.tokens)}, indent=2, sort_keys=True)
    write_private_file(home / CONFIG_NAME, f"{text}\n".encode())


def get_token(config: Config, server_url: str) -> str:
    """Return the token for exactly this server: another server never sees it.

    Raises NotSignedInError if there is none.
    """
    try:
        return config.tokens[server_url]
    except KeyError:
        raise NotSignedInError(f"There is no token for {server_url}: run `cadastre login USERNAME` first.") from None


def write_private_file(path: Path, data: bytes) -> None:
    """Replace a file in one step by one that only its user can read, and that survives a power cut."""
    make_private_folder(path.parent)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
