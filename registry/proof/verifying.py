"""The command `verify`: one proof, of either form, about one file or digest."""

import argparse
import hashlib
import re
from dataclasses import replace

from registry.proof.agreements import AgreedHeaders
from registry.proof.anchors import parse_outpoint, read_registry
from registry.proof.claims import Claims, describe_attestations, describe_document, describe_sources, describe_timestamp
from registry.proof.documents import PROOF_BYTES_MAX, ProofDocument, read_document
from registry.proof.errors import InvalidProofError, UndecidedError, UnknownFormatError, UsageError
from registry.proof.options import add_source_options, find_headers_network, make_sources, open_file
from registry.proof.readers import read_limited
from registry.proof.reports import report_claims, report_error
from registry.proof.roots import measure_file
from registry.proof.timestamps import MAGIC, Timestamp, read_timestamp, start_hash
from registry.proof.verify import verify_canonical, verify_document, verify_timestamp

HELP = "verify a proof (.proof.json or .ots)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "paths", nargs="+", metavar="[FILE] PROOF", help="the file, unless --digest is given; the proof"
    )
    parser.add_argument("--digest", metavar="HEX", help="the file's SHA-256, instead of the file")
    add_source_options(parser)
    parser.add_argument("--anchors", metavar="FILE", help="the registry's anchors file: proves the record canonical")
    parser.add_argument("--registry", metavar="TXID:VOUT", help="the registry's first outpoint: the file must be its")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Verify, print what was found, and return the exit code.

    Raises a ProofError where no attestations are to be listed with it.
    """
    if len(arguments.paths) != (1 if arguments.digest else 2):
        raise UsageError("give FILE and PROOF, or --digest HEX and PROOF")
    if arguments.registry is not None and arguments.anchors is None:
        raise UsageError("--registry needs --anchors: a proof does not name its registry")
    headers = make_sources(arguments)
    proof = _read_proof(arguments.paths[-1])
    if isinstance(proof, Timestamp):
        return _run_timestamp(proof, arguments, headers)
    claims = _verify_document(proof, arguments, headers)
    return _report(claims, arguments, headers)


def _report(claims: Claims, arguments: argparse.Namespace, headers: AgreedHeaders) -> int:
    sources = describe_sources(headers, height=claims.block.height)
    return report_claims(replace(claims, sources=sources), is_json=arguments.json)


def _run_timestamp(proof: Timestamp, arguments: argparse.Namespace, headers: AgreedHeaders) -> int:
    if arguments.anchors is not None:
        raise UsageError("an .ots says nothing of a registry: --anchors needs a proof document")
    try:
        if arguments.digest:
            verify_timestamp(proof, digest=_parse_digest(arguments.digest), headers=headers)
        else:
            digest = _hash_file(arguments.paths[0], proof.hash_name)
            verify_timestamp(proof, digest=digest, headers=headers, hash_name=proof.hash_name)
    except (InvalidProofError, UndecidedError) as error:
        attestations = describe_attestations(proof, headers=headers)
        return report_error(error, is_json=arguments.json, attestations=attestations)
    return _report(describe_timestamp(proof, headers=headers), arguments, headers)


def _verify_document(proof: ProofDocument, arguments: argparse.Namespace, headers: AgreedHeaders) -> Claims:
    known = None if arguments.registry is None else parse_outpoint(arguments.registry)
    if arguments.digest:
        verify_document(proof, subject=_parse_digest(arguments.digest), headers=headers)
    else:
        with open_file(arguments.paths[0]) as stream:
            measured = measure_file(stream)
        verify_document(proof, subject=measured, headers=headers)
    if arguments.anchors is None:
        return describe_document(proof, headers=headers)
    with open_file(arguments.anchors) as stream:
        registry = read_registry(stream)
        network = find_headers_network(arguments)
        verify_canonical(
            proof, registry=registry, anchors=stream, headers=headers, known_outpoint=known, network=network
        )
    return describe_document(proof, headers=headers, registry=registry, is_registry_checked=known is not None)


def _read_proof(path: str) -> ProofDocument | Timestamp:
    """Read a proof of either form, told apart by how it begins."""
    with open_file(path) as stream:
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
    with open_file(path) as stream:
        return hashlib.file_digest(stream, lambda: start_hash(hash_name)).digest()
