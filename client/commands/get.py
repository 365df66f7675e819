"""`cadastre get LINK...`: show the price and who is paid, then fetch, check and decrypt, several at once."""

import argparse
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from client import exits
from client.api import Api
from client.arguments import LINK_HELP, add_jobs, parse_amount_msat
from client.consoles import escape_text
from client.documents import LinkInfo, Payee
from client.downloads import Downloaded, download, get_target, stream
from client.errors import ClientError, LinkGoneError, OutputExistsError, PriceNotAcceptedError, UsageError
from client.jobs import Outcome, describe_failure, report_failures, run_jobs
from client.links import Link
from client.offers import Offer, get_offer
from client.paces import Pace
from client.runs import Run
from client.terms import format_time
from client.transfer_states import TransferFile

HELP = "Fetch what links name: show price and payees, pay, download, check, decrypt."
STANDARD_OUTPUT = Path("-")
_BASIS_POINTS_PER_PERCENT = 100
_PPM_PER_PERCENT = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("links", nargs="+", metavar="LINK", help=LINK_HELP)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR_OR_FILE",
        help="where to write; - is standard output, for a single file",
    )
    parser.add_argument(
        "--price-max-msat", type=parse_amount_msat, metavar="N", help="agree to pay up to N msat a link"
    )
    parser.add_argument("--keep-ciphertext", type=Path, metavar="FILE", help="keep the encrypted blob in FILE")
    parser.add_argument("--password-file", metavar="FILE", help="open a locked link with the first line of FILE")
    add_jobs(parser)


@dataclass(frozen=True)
class _Order:
    """A link that may be fetched: its offer, the server that made it, and how much may be charged for it."""

    api: Api
    offer: Offer
    price_max_msat: int


def run(run: Run) -> int:
    """Fetch the links. Nothing is charged before all prices were shown; what failed is named at the end."""
    _check_usage(run.arguments)
    links = [run.open_link(text) for text in run.arguments.links]
    # By the links without the part that is a key.
    failures: dict[str, ClientError] = {}
    with ExitStack() as stack:
        urls = {link.server_url for link in links}
        apis = {url: stack.enter_context(run.connect(url, is_signed_in=False)) for url in urls}
        orders: list[_Order] = []

        def ask(link: Link) -> tuple[Api, Offer]:
            return _ask(run, apis[link.server_url], link)

        for offered in run_jobs(links, ask, jobs_max=run.arguments.jobs, stop=run.stop):
            try:
                orders.append(_agree(run, offered, orders))
            except ClientError as error:
                failures[offered.item.public_url] = error
        if run.arguments.output == STANDARD_OUTPUT:
            return _stream(run, orders, failures)
        done = _fetch_all(run, orders, failures)
    if failures and len(links) == 1:
        raise next(iter(failures.values()))
    _print(run, done, failures)
    return report_failures(run.console, list(failures.items()), total=len(links))


def describe_price(info: LinkInfo) -> list[str]:
    """Return lines with the price of a transfer and who is paid by it."""
    if not info.price_msat:
        return ["Price: free."]
    return [f"Price: {info.price_msat} msat per transfer."] + [f"  {_describe_payee(payee)}" for payee in info.payees]


def describe_limits(info: LinkInfo) -> list[str]:
    """Return lines that say when the link ends, if it does."""
    lines = []
    if info.expires_at is not None:
        lines.append(f"Expires: {format_time(info.expires_at)}.")
    if info.transfers_left is not None:
        lines.append(f"Transfers left: {info.transfers_left}.")
    return lines


def _check_usage(arguments: argparse.Namespace) -> None:
    is_streamed = arguments.output == STANDARD_OUTPUT
    if len(arguments.links) > 1 and (is_streamed or arguments.keep_ciphertext or not arguments.output.is_dir()):
        raise UsageError("Several links need a folder that exists: name one with -o, and keep no ciphertext.")
    if is_streamed and arguments.keep_ciphertext:
        raise UsageError("What goes to standard output is stored nowhere: the ciphertext cannot be kept.")


def _ask(run: Run, api: Api, link: Link) -> tuple[Api, Offer]:
    """Return what a link offers; one that ended while it was being fetched here offers what it did then."""
    try:
        return api, get_offer(api, link)
    except LinkGoneError:
        output: Path = run.arguments.output
        state = TransferFile(output if output.is_dir() else output.parent, link).read()
        if state is None:
            raise
        return api, state.offer


def _agree(run: Run, offered: Outcome[Link, tuple[Api, Offer]], orders: list[_Order]) -> _Order:
    """Show the price and return the order.

    Raises PriceNotAcceptedError if there is a price and nobody agreed to it, OutputExistsError if another of the links
    has the same name, and why there is no offer.
    """
    if offered.result is None:
        raise offered.error or ClientError()
    api, offer = offered.result
    run.console.note(*describe_price(offer.info))
    if len(run.arguments.links) > 1:
        target = get_target(run.arguments.output, offer.manifest)
        if any(target == get_target(run.arguments.output, order.offer.manifest) for order in orders):
            raise OutputExistsError(f"{target} is the name of another of these links, too.")
    price_msat = offer.info.price_msat
    price_max_msat: int | None = run.arguments.price_max_msat
    if price_max_msat is None and price_msat and not run.console.confirm(f"Pay up to {price_msat} msat?"):
        raise PriceNotAcceptedError(f"The transfer costs {price_msat} msat: agree with --price-max-msat {price_msat}.")
    if price_max_msat is not None and price_max_msat < price_msat:
        raise PriceNotAcceptedError(f"The transfer costs {price_msat} msat, more than {price_max_msat} msat.")
    return _Order(api, offer, price_msat if price_max_msat is None else price_max_msat)


def _fetch_all(run: Run, orders: list[_Order], failures: dict[str, ClientError]) -> list[tuple[_Order, Downloaded]]:
    pace = run.get_pace()
    done = []
    with run.show_board(sum(order.offer.info.length for order in orders), count=len(orders)) as board:

        def fetch(order: _Order) -> Downloaded:
            with board.open(escape_text(order.offer.manifest.top_name), order.offer.info.length) as progress:
                return download(
                    order.api,
                    order.offer,
                    run.arguments.output,
                    price_max_msat=order.price_max_msat,
                    progress=progress,
                    ciphertext_path=run.arguments.keep_ciphertext,
                    pace=pace,
                )

        for outcome in run_jobs(orders, fetch, jobs_max=run.arguments.jobs, stop=run.stop):
            if outcome.result is not None:
                done.append((outcome.item, outcome.result))
            if outcome.error is not None:
                failures[outcome.item.offer.link.public_url] = outcome.error
    return done


def _stream(run: Run, orders: list[_Order], failures: dict[str, ClientError]) -> int:
    for error in failures.values():
        raise error
    (order,) = orders
    with run.show_progress(order.offer.manifest.top_name, order.offer.info.length) as progress:
        done = stream(
            order.api,
            order.offer,
            run.console.write_bytes,
            price_max_msat=order.price_max_msat,
            progress=progress,
            pace=Pace(run.arguments.limit_rate, sleep=run.stop.sleep),
        )
    run.console.note(f"{order.offer.manifest.top_name}: complete and checked, charged {done.charged_msat or 0} msat.")
    return exits.DONE


def _print(run: Run, done: list[tuple[_Order, Downloaded]], failures: dict[str, ClientError]) -> None:
    documents = [_describe(order.offer, downloaded) for order, downloaded in done]
    lines = [str(downloaded.path) for _, downloaded in done]
    if len(run.arguments.links) == 1:
        run.console.print_result(documents[0], lines)
        return
    described = [{"link": url, **describe_failure(error)} for url, error in failures.items()]
    run.console.print_result({"results": documents, "failures": described}, lines)


def _describe(offer: Offer, done: Downloaded) -> dict[str, object]:
    return {
        "id": offer.link.id,
        "path": str(done.path),
        "files": [{"name": entry.name, "size": entry.size} for entry in offer.manifest.files],
        "sha256": f"sha256:{offer.info.sha256.hex()}",
        "price": {"amount_msat": offer.info.price_msat},
        "charged": None if done.charged_msat is None else {"amount_msat": done.charged_msat},
        "transfer": done.transfer_id,
        "record": offer.info.record_id,
    }


def _describe_payee(payee: Payee) -> str:
    if payee.fee_bp is not None:
        whole, rest = divmod(payee.fee_bp, _BASIS_POINTS_PER_PERCENT)
        return f"{whole}.{rest:02} % fee to {payee.name} ({payee.payee})"
    whole, rest = divmod(payee.share_ppm or 0, _PPM_PER_PERCENT)
    return f"{whole}.{rest:04} % to {payee.name} ({payee.payee})"
