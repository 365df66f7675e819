"""The command `audit`: a register's whole export, or every proof of an archive or a folder."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from registry.proof.agreements import AgreedHeaders
from registry.proof.anchors import parse_outpoint
from registry.proof.audits import RegisterClaims, audit_export
from registry.proof.bundles import BundleClaims, audit_bundle, read_bundle
from registry.proof.claims import describe_sources
from registry.proof.errors import ExportIncompleteError, UsageError
from registry.proof.exports import HEADERS_NAME, is_export
from registry.proof.options import add_source_options, find_headers_network, has_source, make_sources
from registry.proof.reports import EXIT_VALID, list_source_lines, print_json, print_lines

HELP = "audit a register's export, or every proof in an archive or a folder"

ProgressNote = Callable[[int, int | None], None]
"""Called with how much is done, and how much there is if that is known: bytes of leaves, or proofs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    add_audit_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_audit_arguments(parser: argparse.ArgumentParser) -> None:
    """Add those arguments that every command which audits has."""
    parser.add_argument("path", type=Path, metavar="PATH", help="an export's folder, or proofs: a folder or a ZIP file")
    parser.add_argument("--registry", metavar="TXID:VOUT", help="the registry's first outpoint: the export must be its")
    add_source_options(parser)


def run(arguments: argparse.Namespace, *, note_progress: ProgressNote = lambda _done, _total: None) -> int:
    """Audit, print what was found, and return the exit code.

    An export brings its own headers, which count unless others are named: the main network's, unless another is.
    Raises a ProofError at the first thing that fails.
    """
    is_register = arguments.path.is_dir() and is_export(arguments.path)
    claims: RegisterClaims | BundleClaims
    if is_register:
        headers = _make_sources(arguments)
        known = None if arguments.registry is None else parse_outpoint(arguments.registry)
        network = find_headers_network(arguments)
        claims = audit_export(
            arguments.path, headers=headers, known_outpoint=known, network=network, note_progress=note_progress
        )
    elif arguments.registry is not None:
        raise UsageError("--registry is for an export: a proof does not name its registry")
    else:
        headers = make_sources(arguments)
        claims = audit_bundle(
            read_bundle(arguments.path), headers=headers, note_progress=lambda proofs: note_progress(proofs, None)
        )
    sources = describe_sources(headers, height=claims.last_height)
    if arguments.json:
        fields = {"result": "valid", "audited": "register" if is_register else "proofs", **asdict(claims)}
        print_json(fields | {"sources": [asdict(source) for source in sources]})
    else:
        print_lines(list_lines(claims) + [line for source in sources for line in list_source_lines(source)])
    return EXIT_VALID


def list_lines(claims: RegisterClaims | BundleClaims) -> list[str]:
    """Return what was proved, for people."""
    if isinstance(claims, BundleClaims):
        return [
            f"valid: {claims.proofs:,} proofs, every digest existed before its block",
            f"  forms     {claims.timestamps:,} .ots, {claims.documents:,} .proof.json",
            f"  blocks    {claims.first_height} to {claims.last_height}",
        ]
    named = "which you named" if claims.registry_checked else "which the export names: compare it with the one you know"
    return [
        f"valid: complete to anchor {claims.batches - 1}; later spends unchecked",
        f"  registry  {claims.registry}, {named}",
        f"  network   {claims.network}",
        f"  records   {claims.records:,} in {claims.batches:,} batches; nothing missing, nothing twice",
        f"  anchor    {claims.last_anchor_txid}",
        f"  block     {claims.last_block_hash}",
        f"            {claims.last_height}, whose miner dates it {claims.last_time}",
        f"  bounds    {claims.bounded_batches:,} of {claims.batches:,} batches were made after a block that they cite",
    ]


def _make_sources(arguments: argparse.Namespace) -> AgreedHeaders:
    if not has_source(arguments):
        if not (arguments.path / HEADERS_NAME).exists():
            raise ExportIncompleteError(f"there is no {HEADERS_NAME}: name another source of headers")
        arguments.headers = [str(arguments.path / HEADERS_NAME)]
    return make_sources(arguments)
