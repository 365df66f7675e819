"""`cadastre put PATH...`: encrypt and upload files and folders, and print one link for each."""

import argparse
from pathlib import Path

from client import exits
from client.arguments import parse_amount_msat, parse_rate
from client.folders import find_source
from client.links import format_link
from client.runs import Run
from client.uploads import Uploader

HELP = "Encrypt and upload files and folders; print one link per path."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder (one link for all of it)"
    )
    parser.add_argument(
        "--price-msat",
        type=parse_amount_msat,
        default=0,
        metavar="N",
        help="price of one transfer (default: 0)",
    )
    parser.add_argument("--password-file", metavar="FILE", help="lock the links with the first line of FILE")
    parser.add_argument("--pad", action="store_true", help="hide the exact size, at a cost of at most 12 %%")
    parser.add_argument("--limit-rate", type=parse_rate, metavar="RATE", help="bytes per second, such as 500k or 2M")


def run(run: Run) -> int:
    """Upload each path in turn; the first failure ends the run, and links made before it are printed."""
    arguments = run.arguments
    sources = [find_source(path, is_padded=arguments.pad) for path in arguments.paths]
    password = None
    if arguments.password_file is not None:
        password = run.console.read_password(arguments.password_file, prompt="Password of the link")
    results = []
    with run.connect(is_signed_in=True) as api:
        uploader = Uploader(api, run.home, rate_bytes_s=arguments.limit_rate)
        for source in sources:
            with run.show_progress(source.path.name, source.length) as progress:
                uploaded = uploader.upload(source, price_msat=arguments.price_msat, progress=progress)
            if uploaded.is_restarted:
                run.console.note(f"{source.path.name}: the unfinished upload could not continue; encrypted afresh.")
            text = format_link(uploaded.link, password=password)
            if not run.console.is_json:
                run.console.print_line(text)
            info = uploaded.info
            results.append(
                {
                    "path": str(source.path),
                    "link": text,
                    "id": info.id,
                    "length": info.length,
                    "sha256": f"sha256:{info.sha256.hex()}",
                    "root": f"sha256:{info.root.hex()}",
                    "seal": info.seal.hex(),
                    "price": {"amount_msat": info.price_msat},
                    "record": info.record_id,
                    "is_resumed": uploaded.is_resumed,
                }
            )
    run.console.print_result({"results": results}, [])
    return exits.DONE
