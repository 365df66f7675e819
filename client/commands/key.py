"""`cadastre key LINK`: the link's secret as an age identity, for the stock `age` tool."""

import argparse

from client import exits
from client.age.encoding import encode_identity
from client.arguments import LINK_HELP
from client.runs import Run

HELP = "Print a link's secret as an age identity, for `age -d -i`; nothing is sent."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("link", metavar="LINK", help=LINK_HELP)
    parser.add_argument("--password-file", metavar="FILE", help="open a locked link with the first line of FILE")


def run(run: Run) -> int:
    """Print the identity."""
    link = run.open_link(run.arguments.link)
    identity = encode_identity(link.secret)
    run.console.print_result({"identity": identity, "manifest_sha256": link.manifest_sha256.hex()}, [identity])
    return exits.DONE
