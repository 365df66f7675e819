"""`cadastre get LINK`: show the price and who is paid, then fetch, check and decrypt."""

import argparse
from pathlib import Path

from client import exits
from client.arguments import LINK_HELP, parse_amount_msat
from client.documents import LinkInfo, Payee
from client.downloads import Offer, download, get_offer
from client.errors import PriceNotAcceptedError
from client.runs import Run

HELP = "Fetch what a link names: show its price and payees, pay, download, check, decrypt."
_BASIS_POINTS_PER_PERCENT = 100
_PPM_PER_PERCENT = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("link", metavar="LINK", help=LINK_HELP)
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR_OR_FILE", help="where to write")
    parser.add_argument("--price-max-msat", type=parse_amount_msat, metavar="N", help="agree to pay up to N msat")
    parser.add_argument("--keep-ciphertext", type=Path, metavar="FILE", help="keep the encrypted blob in FILE")
    parser.add_argument("--password-file", metavar="FILE", help="open a locked link with the first line of FILE")


def run(run: Run) -> int:
    """Fetch one link."""
    arguments = run.arguments
    link = run.open_link(arguments.link)
    with run.connect(link.server_url, is_signed_in=False) as api:
        offer = get_offer(api, link)
        run.console.note(*describe_price(offer.info))
        price_max_msat = _agree(run, offer)
        with run.show_progress(offer.manifest.top_name, offer.info.length) as progress:
            done = download(
                api,
                offer,
                arguments.output,
                price_max_msat=price_max_msat,
                progress=progress,
                ciphertext_path=arguments.keep_ciphertext,
            )
    charged = None if done.charged_msat is None else {"amount_msat": done.charged_msat}
    document = {
        "path": str(done.path),
        "files": [{"name": entry.name, "size": entry.size} for entry in offer.manifest.files],
        "sha256": f"sha256:{offer.info.sha256.hex()}",
        "price": {"amount_msat": offer.info.price_msat},
        "charged": charged,
        "transfer": done.transfer_id,
        "record": offer.info.record_id,
    }
    run.console.print_result(document, [str(done.path)])
    return exits.DONE


def describe_price(info: LinkInfo) -> list[str]:
    """Return lines with the price of a transfer and who is paid by it."""
    if not info.price_msat:
        return ["Price: free."]
    return [f"Price: {info.price_msat} msat per transfer."] + [f"  {_describe_payee(payee)}" for payee in info.payees]


def _describe_payee(payee: Payee) -> str:
    if payee.fee_bp is not None:
        whole, rest = divmod(payee.fee_bp, _BASIS_POINTS_PER_PERCENT)
        return f"{whole}.{rest:02} % fee to {payee.name} ({payee.payee})"
    whole, rest = divmod(payee.share_ppm or 0, _PPM_PER_PERCENT)
    return f"{whole}.{rest:04} % to {payee.name} ({payee.payee})"


def _agree(run: Run, offer: Offer) -> int:
    """Return the most that may be charged.

    Raises PriceNotAcceptedError if there is a price and nobody agreed to it.
    """
    price_msat = offer.info.price_msat
    price_max_msat: int | None = run.arguments.price_max_msat
    if price_max_msat is None and price_msat and not run.console.confirm(f"Pay up to {price_msat} msat?"):
        raise PriceNotAcceptedError(f"The transfer costs {price_msat} msat: agree with --price-max-msat {price_msat}.")
    if price_max_msat is not None and price_max_msat < price_msat:
        raise PriceNotAcceptedError(f"The transfer costs {price_msat} msat, more than {price_max_msat} msat.")
    return price_msat if price_max_msat is None else price_max_msat
