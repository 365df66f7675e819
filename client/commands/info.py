"""`cadastre info LINK`: what a link holds, what it costs and whom it pays, without paying."""

import argparse

from client import exits
from client.arguments import LINK_HELP
from client.commands.get import describe_limits, describe_price
from client.offers import get_offer
from client.runs import Run
from client.terms import format_time

HELP = "Show what a link holds, its price and payees; nothing is charged."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("link", metavar="LINK", help=LINK_HELP)
    parser.add_argument("--password-file", metavar="FILE", help="open a locked link with the first line of FILE")


def run(run: Run) -> int:
    """Show one link."""
    link = run.open_link(run.arguments.link)
    with run.connect(link.server_url, is_signed_in=False) as api:
        offer = get_offer(api, link)
    info = offer.info
    files = [
        {"name": entry.name, "media_type": entry.media_type, "size": entry.size, "sha256": entry.sha256.hex()}
        for entry in offer.manifest.files
    ]
    document = {
        "id": info.id,
        "files": files,
        "length": info.length,
        "sha256": f"sha256:{info.sha256.hex()}",
        "root": f"sha256:{info.root.hex()}",
        "seal": info.seal.hex(),
        "padding": offer.manifest.padding,
        "price": {"amount_msat": info.price_msat},
        "expires_at": info.expires_at and format_time(info.expires_at),
        "transfers_max": info.transfers_max,
        "transfers_left": info.transfers_left,
        "record": info.record_id,
    }
    lines = [f"{entry.size:>15}  {entry.name}" for entry in offer.manifest.files]
    lines += [
        f"Blob: {info.length} bytes, sha256:{info.sha256.hex()}",
        f"Record: {info.record_id or 'not yet'}",
    ]
    run.console.print_result(document, lines + describe_limits(info) + describe_price(info))
    return exits.DONE
