"""`cadastre link LINK`: another link to the same blob on terms of its own, or the same link locked or opened."""

import argparse
import secrets
from datetime import UTC, datetime

from client import exits
from client.api import NewLink, make_idempotency_key
from client.arguments import LINK_HELP, add_terms
from client.errors import UsageError
from client.kept_links import KeptLink, KeptLinks, encode_token
from client.links import Link, format_link
from client.offers import get_offer
from client.runs import Run
from client.terms import LinkTerms, format_time
from client.uploads import DELETION_TOKEN_BYTES, check_new_link
from storage.digest import Digest

HELP = "Make another link to what a link of yours names, or lock the same link by a password."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("link", metavar="LINK", help=LINK_HELP)
    parser.add_argument(
        "--same", action="store_true", help="make no link: only lock or unlock this one, which sends nothing"
    )
    add_terms(parser)
    parser.add_argument("--password-file", metavar="FILE", help="open a locked link with the first line of FILE")
    parser.add_argument("--new-password-file", metavar="FILE", help="lock the result with the first line of FILE")


def run(run: Run) -> int:
    """Print a link."""
    arguments = run.arguments
    terms = LinkTerms(arguments.price_msat, arguments.expires, arguments.transfers_max)
    if arguments.same and terms != LinkTerms():
        raise UsageError("The same link keeps its terms: without --same, another link is made.")
    link = run.open_link(arguments.link)
    password = None
    if arguments.new_password_file is not None:
        password = run.console.read_password(arguments.new_password_file, prompt="New password")
    if arguments.same:
        text = format_link(link, password=password)
        run.console.print_result({"id": link.id, "link": text}, [text])
        return exits.DONE
    return _make_another(run, link, terms, password)


def _make_another(run: Run, link: Link, terms: LinkTerms, password: str | None) -> int:
    """Make another link with the same manifest and seal, so that the record's proof is about it, too."""
    with run.connect(link.server_url, is_signed_in=True) as api:
        offer = get_offer(api, link)
        now = datetime.now(UTC)
        new = NewLink(
            digest=Digest(sha256=offer.info.sha256, length=offer.info.length, root=offer.info.root),
            manifest=offer.manifest_sealed,
            seal=offer.info.seal,
            price_msat=terms.price_msat,
            link_id=link.id,
            expires_at=terms.get_expiry(now),
            transfers_max=terms.transfers_max,
            deletion_token=secrets.token_bytes(DELETION_TOKEN_BYTES),
        )
        info = api.create_link(new, idempotency_key=make_idempotency_key())
    check_new_link(info, new)
    made = Link(link.server_url, info.id, link.secret, link.manifest_sha256)
    text, token = format_link(made, password=password), encode_token(new.deletion_token or b"")
    size = sum(entry.size for entry in offer.manifest.files)
    KeptLinks(run.home).add(
        KeptLink(made.server_url, made.id, text, offer.manifest.top_name, size, format_time(now), token)
    )
    document = {
        "id": info.id,
        "link": text,
        "price": {"amount_msat": info.price_msat},
        "expires_at": info.expires_at and format_time(info.expires_at),
        "transfers_max": info.transfers_max,
        "deletion_token": token,
    }
    run.console.print_result(document, [text])
    return exits.DONE
