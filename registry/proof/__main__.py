"""The verifier's command.

python -m registry.proof verify (FILE | --digest HEX) PROOF (--header HEIGHT:HEX | --node URL)

It needs Python's standard library and nothing else. Exit code 0: valid, 1: invalid, 2: undecided, 3: wrong
usage.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import BufferedReader
from pathlib import Path
from typing import NoReturn

from registry.proof.anchors import parse_outpoint, read_registry
from registry.proof.claims import Claims, describe_document, describe_timestamp
from registry.proof.documents import PROOF_BYTES_MAX, ProofDocument, read_document
from registry.proof.errors import (
    InvalidProofError,
    ProofError,
    UndecidedError,
    UnknownFormatError,
    UsageError,
)
from registry.proof.readers import read_limited
from registry.proof.roots import measure_file
from registry.proof.sources import GivenHeaders, HeaderSource, NodeHeaders, parse_given_header
from registry.proof.timestamps import MAGIC, Timestamp, read_timestamp
from registry.proof.verify import verify_canonical, verify_document, verify_timestamp

_REGISTRY_NOTES = {
    False: "which the anchors file names: compare it with the one that you know",
    True: "which you named",
}
EXIT_VALID, EXIT_INVALID, EXIT_UNDECIDED, EXIT_USAGE = 0, 1, 2, 3


class _Parser(argparse.ArgumentParser):
    """An argument parser whose mistakes are our errors, for its own exit code would say "undecided"."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_json = "--json" in arguments
    try:
        claims = _verify(_parse_arguments(arguments))
    except InvalidProofError as error:
        return _report_error("invalid", EXIT_INVALID, error, is_json=is_json)
    except UndecidedError as error:
        return _report_error("undecided", EXIT_UNDECIDED, error, is_json=is_json)
    except ProofError as error:
        return _report_error("usage", EXIT_USAGE, error, is_json=is_json)
    if is_json:
        _print(json.dumps({"result": "valid", "level": claims.level, **asdict(claims)}, indent=1))
    else:
        _print("\n".join(_list_lines(claims)))
    return EXIT_VALID


def _parse_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = _Parser(prog="python -m registry.proof", description="Verify that a file existed before a Bitcoin block.")
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="verify a proof (.proof.json or .ots)")
    verify.add_argument(
        "paths", nargs="+", metavar="[FILE] PROOF", help="the file, unless --digest is given; the proof"
    )
    verify.add_argument("--digest", metavar="HEX", help="the file's SHA-256, instead of the file")
    source = verify.add_mutually_exclusive_group(required=True)
    source.add_argument("--header", action="append", metavar="HEIGHT:HEX", help="a block header you trust; repeatable")
    source.add_argument("--node", metavar="URL", help="a Bitcoin node you trust: http://USER:PASSWORD@HOST:PORT")
    verify.add_argument("--anchors", metavar="FILE", help="the registry's anchors file: proves the record canonical")
    verify.add_argument("--registry", metavar="TXID:VOUT", help="the registry's first outpoint: the file must be its")
    verify.add_argument("--json", action="store_true", help="print JSON")
    parsed = parser.parse_args(arguments)
    if len(parsed.paths) != (1 if parsed.digest else 2):
        raise UsageError("give FILE and PROOF, or --digest HEX and PROOF")
    if parsed.registry is not None and parsed.anchors is None:
        raise UsageError("--registry needs --anchors: a proof does not name its registry")
    return parsed


def _verify(arguments: argparse.Namespace) -> Claims:
    headers = _make_source(arguments)
    proof = _read_proof(arguments.paths[-1])
    if isinstance(proof, Timestamp):
        return _verify_timestamp(proof, arguments, headers)
    return _verify_document(proof, arguments, headers)


def _verify_timestamp(proof: Timestamp, arguments: argparse.Namespace, headers: HeaderSource) -> Claims:
    if arguments.anchors is not None:
        raise UsageError("an .ots says nothing of a registry: --anchors needs a proof document")
    if arguments.digest:
        verify_timestamp(proof, digest=_parse_digest(arguments.digest), headers=headers)
    else:
        digest = _hash_file(arguments.paths[0], proof.hash_name)
        verify_timestamp(proof, digest=digest, headers=headers, hash_name=proof.hash_name)
    return describe_timestamp(proof, headers=headers)


def _verify_document(proof: ProofDocument, arguments: argparse.Namespace, headers: HeaderSource) -> Claims:
    known = None if arguments.registry is None else parse_outpoint(arguments.registry)
    if arguments.digest:
        verify_document(proof, subject=_parse_digest(arguments.digest), headers=headers)
    else:
        with _open(arguments.paths[0]) as stream:
            measured = measure_file(stream)
        verify_document(proof, subject=measured, headers=headers)
    if arguments.anchors is None:
        return describe_document(proof, headers=headers)
    with _open(arguments.anchors) as stream:
        registry = read_registry(stream)
        verify_canonical(proof, registry=registry, anchors=stream, headers=headers, known_outpoint=known)
    return describe_document(proof, headers=headers, registry=registry, is_registry_checked=known is not None)


def _make_source(arguments: argparse.Namespace) -> HeaderSource:
    if arguments.node:
        return NodeHeaders(arguments.node)
    given = [parse_given_header(text) for text in arguments.header]
    if len({height for height, _ in given}) != len(given):
        raise UsageError("two headers are given for one height")
    return GivenHeaders(dict(given))


def _read_proof(path: str) -> ProofDocument | Timestamp:
    """Read a proof of either form, told apart by how it begins."""
    with _open(path) as stream:
        data = read_limited(stream, PROOF_BYTES_MAX)
    if data.startswith(MAGIC):
        return read_timestamp(data)
    if data.lstrip().startswith(b"{"):
        return read_document(data)
    raise UnknownFormatError


def _parse_digest(text: str) -> bytes:
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise UsageError("the digest is not the 64 hexadecimal digits of a SHA-256")
    return bytes.fromhex(text)


def _hash_file(path: str, hash_name: str) -> bytes:
    with _open(path) as stream:
        try:
            return hashlib.file_digest(stream, hash_name).digest()
        except ValueError as error:
            raise UndecidedError(f"this Python cannot compute {hash_name}") from error


@contextmanager
def _open(path: str) -> Iterator[BufferedReader]:
    """Open a file to read; whatever the system has against that is wrong usage."""
    try:
        with Path(path).open("rb") as stream:
            yield stream
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def _report_error(result: str, exit_code: int, error: ProofError, *, is_json: bool) -> int:
    step = error.step if isinstance(error, InvalidProofError) else None
    cause = type(error).__name__
    if is_json:
        _print(json.dumps({"result": result, "step": step, "cause": cause, "detail": str(error)}, indent=1))
    else:
        place = "" if step is None else f" at step {step}"
        _print(f"{result}{place}: {error} ({cause})")
    return exit_code


def _list_lines(claims: Claims) -> list[str]:
    block, record = claims.block, claims.record
    lines = [
        f"valid: existed before block {block.height}, whose miner dates it {block.time}",
        f"  {claims.hash_name:9} {claims.digest}",
        f"  block     {block.block_hash}",
    ]
    if record is None:
        return lines
    after = "undecided" if record.made_after_block is None else f"made after block {record.made_after_block}"
    lines += [
        f"  record    number {record.index}, kind {record.kind} ({record.kind_name})",
        f"  leaf      {record.leaf}",
        f"  batch     number {record.seq}, {after}",
        f"  anchor    {record.anchor_txid}",
    ]
    if record.details is not None:
        lines.append(f"  details   {json.dumps(record.details)}")
    if claims.registry is not None:
        lines.append(f"  canonical in the registry {claims.registry}, {_REGISTRY_NOTES[claims.registry_checked]}")
    return lines


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":  # pragma: no cover - the tests call main
    sys.exit(main())
