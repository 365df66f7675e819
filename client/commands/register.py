"""`cadastre register USERNAME`: sign up."""

import argparse

from client import exits
from client.runs import Run

HELP = "Sign up at a server; then sign in with `cadastre login`."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("username", metavar="USERNAME")
    parser.add_argument("--email", metavar="ADDRESS", help="an address for messages about the account")
    parser.add_argument("--password-file", metavar="FILE", help="take the password from the first line of FILE")


def run(run: Run) -> int:
    """Create the user."""
    arguments = run.arguments
    password = run.console.read_password(arguments.password_file, prompt="New password", is_new=True)
    with run.connect(is_signed_in=False) as api:
        user_id = api.create_user(username=arguments.username, password=password, email=arguments.email)
        url = api.server.url
    run.console.print_result(
        {"id": user_id, "username": arguments.username, "server": url},
        [f"{arguments.username} is registered at {url}."],
    )
    return exits.DONE
