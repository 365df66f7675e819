"""`cadastre login USERNAME`: exchange a password for a token, and keep the token."""

import argparse

from client import exits
from client.config import store_token
from client.runs import Run

HELP = "Sign in: store a token for this server and make it the default."
SCOPES = ("storage:write", "records:write", "payments:write", "account:read")
OTHER_SCOPES = ("rights:write", "payouts:write")
TOKEN_NAME = "cadastre command"  # noqa: S105 - what the token is listed as, not the token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("username", metavar="USERNAME")
    parser.add_argument("--password-file", metavar="FILE", help="take the password from the first line of FILE")
    parser.add_argument(
        "--scope",
        action="append",
        metavar="SCOPE",
        choices=[*SCOPES, *OTHER_SCOPES],
        help=f"what the token may do; repeatable (default: {', '.join(SCOPES)})",
    )


def run(run: Run) -> int:
    """Create a token and store it."""
    arguments = run.arguments
    password = run.console.read_password(arguments.password_file, prompt="Password")
    scopes = arguments.scope or SCOPES
    with run.connect(is_signed_in=False) as api:
        token = api.create_token(username=arguments.username, password=password, name=TOKEN_NAME, scopes=scopes)
        url = api.server.url
    store_token(run.home, url, token)
    run.console.print_result(
        {"server": url, "username": arguments.username, "scopes": list(scopes)},
        [f"Signed in to {url} as {arguments.username}."],
    )
    return exits.DONE
