"""`cadastre record PATH...`: register files' digests, without uploading a byte of them."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from client import exits
from client.errors import ConfigError, OutputExistsError, UsageError
from client.runs import Run
from client.submissions import HASH_BYTES, NamedDigest, Receipt, hash_sources, list_sources, read_digests, submit

HELP = "Register the SHA-256 of files, or a list of digests; uploads nothing but these."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="a file, or a folder (each file in it)")
    parser.add_argument(
        "--digests", metavar="FILE", help="register the digests that FILE lists, as sha256sum prints them; - is input"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="write the receipts there, one JSON object a line"
    )


def run(run: Run) -> int:
    """Hash or read, register, and hand out the receipts; a repeated run gets the same ones."""
    arguments = run.arguments
    output: Path | None = arguments.output
    if bool(arguments.paths) == (arguments.digests is not None):
        raise UsageError("Name files and folders, or a list of digests with --digests.")
    if output is not None and output.exists():
        raise OutputExistsError(f"{output} exists and is not overwritten.")
    digests = _read_list(arguments.digests) if arguments.digests is not None else _hash_paths(run, arguments.paths)
    if not digests:
        raise UsageError("There is no digest to register.")
    with run.connect(is_signed_in=True) as api, run.show_progress("registering", len(digests) * HASH_BYTES) as progress:
        receipts = submit(api, digests, progress)
        if output is not None:
            count = _write_receipts(output, receipts)
            run.console.print_result({"records": count, "output": str(output)}, [f"{count} records: {output}"])
        elif run.console.is_json:
            written = [receipt.to_json() for receipt in receipts]
            run.console.print_result({"records": len(written), "receipts": written}, [])
        else:
            for receipt in receipts:
                run.console.print_line(json.dumps(receipt.to_json()))
    return exits.DONE


def _hash_paths(run: Run, paths: list[Path]) -> list[NamedDigest]:
    files = list_sources(paths)
    with run.show_progress("hashing", sum(file.size for file in files)) as progress:
        return list(hash_sources(files, progress))


def _read_list(path: str) -> list[NamedDigest]:
    try:
        if path == "-":
            return list(read_digests(sys.stdin.buffer))
        with Path(path).open("rb") as stream:
            return list(read_digests(stream))
    except OSError as error:
        raise ConfigError(f"The digests cannot be read from {path}: {error.strerror}.") from error


def _write_receipts(output: Path, receipts: Iterable[Receipt]) -> int:
    """Write the receipts; the file has its name only when it is whole."""
    part = output.with_name(f".{output.name}.part")
    count = 0
    with part.open("w", encoding="ascii") as stream:
        for receipt in receipts:
            stream.write(json.dumps(receipt.to_json()) + "\n")
            count += 1
    part.rename(output)
    return count
