"""`cadastre ls`: the account's links, with the names and keys of those that were made here."""

import argparse

from client import exits
from client.documents import OwnLink
from client.kept_links import KeptLink, KeptLinks
from client.runs import Run
from client.terms import format_time

HELP = "List your links: when made, length, price, name if known here, and where each leads."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--links", action="store_true", help="print links with their keys, of those that were made here"
    )


def run(run: Run) -> int:
    """List the links, the newest first. Without a key here, a link has no name, for the server knows none."""
    with run.connect(is_signed_in=True) as api:
        server = api.server.url
        owned = list(api.list_links())
    kept = {entry.id: entry for entry in KeptLinks(run.home).list() if entry.server == server}
    rows = [(link, kept.get(link.info.id)) for link in owned]
    run.console.print_result(
        {"results": [_describe(server, link, entry) for link, entry in rows]},
        [_format(server, link, entry, has_key=run.arguments.links) for link, entry in rows],
    )
    return exits.DONE


def _describe(server: str, link: OwnLink, entry: KeptLink | None) -> dict[str, object]:
    info = link.info
    return {
        "id": info.id,
        "url": f"{server}/f/{info.id}",
        "link": entry and entry.link,
        "name": entry and entry.name,
        "size": entry and entry.size,
        "length": info.length,
        "sha256": f"sha256:{info.sha256.hex()}",
        "price": {"amount_msat": info.price_msat},
        "expires_at": info.expires_at and format_time(info.expires_at),
        "transfers_max": info.transfers_max,
        "transfers_left": info.transfers_left,
        "state": link.state,
        "created_at": format_time(link.created_at),
    }


def _format(server: str, link: OwnLink, entry: KeptLink | None, *, has_key: bool) -> str:
    info = link.info
    limits = [] if link.state == "open" else [f"({link.state})"]
    if info.expires_at is not None:
        limits.append(f"until {format_time(info.expires_at)[:16]}Z")
    if info.transfers_left is not None:
        limits.append(f"{info.transfers_left} left")
    name = entry.name if entry is not None else "(key not here)"
    where = entry.link if has_key and entry is not None else f"{server}/f/{info.id}"
    created = f"{format_time(link.created_at)[:16]}Z"
    length = entry.size if entry is not None else info.length
    return "  ".join([created, f"{length:>15}", f"{info.price_msat:>8} msat", name, *limits, where])
