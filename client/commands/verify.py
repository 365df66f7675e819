"""`cadastre verify FILE PROOF`: the standalone verifier in this process, and with --link the seal too.

The verifier says when the *ciphertext* existed. The seal leads from there to the plaintext: it binds the
link's secret and manifest, and the manifest lists the plaintext's digests. So with --link, FILE may be either
of the two.
"""

import argparse
import contextlib
import hashlib
import io
import json
from pathlib import Path

from client import exits
from client.age.files import decrypt_by_x25519
from client.errors import ManifestMismatchError, SealMismatchError, UsageError
from client.links import Link
from client.manifest import MANIFEST_BYTES_MAX, Manifest, decrypt_manifest
from client.plaintexts import check_plaintext
from client.runs import Run
from client.seals import check_seal
from registry.proof.__main__ import main as run_verifier
from registry.proof.documents import PROOF_BYTES_MAX, ProofDocument, read_document
from registry.proof.errors import ProofError
from registry.proof.options import add_source_options, list_source_options

HELP = "Verify that a file existed before a Bitcoin block; with --link, that it is the link's content."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments, which are the verifier's and the link."""
    parser.add_argument(
        "paths", nargs="+", metavar="[FILE] PROOF", help="the file, unless --digest is given; the proof"
    )
    parser.add_argument("--digest", metavar="HEX", help="the ciphertext's SHA-256, instead of the file")
    add_source_options(parser)
    parser.add_argument("--anchors", metavar="FILE", help="the registry's anchors file: proves the record canonical")
    parser.add_argument("--registry", metavar="TXID:VOUT", help="the registry's first outpoint: the file must be its")
    parser.add_argument(
        "--link",
        metavar="LINK",
        help="check the seal too: FILE is the blob, or a file of the link; - reads the link from standard input",
    )
    parser.add_argument(
        "--manifest", type=Path, metavar="FILE", help="the encrypted manifest, instead of asking the server"
    )
    parser.add_argument("--password-file", metavar="FILE", help="open a locked link with the first line of FILE")


def run(run: Run) -> int:
    """Verify the proof, and with --link what the proof says about the plaintext."""
    arguments = run.arguments
    if arguments.link is None:
        if arguments.manifest is not None:
            raise UsageError("--manifest goes with --link.")
        code, printed = _run_verifier(_list_options(run, paths=arguments.paths, digest=arguments.digest))
        _print_lines(run, printed)
        return code
    if arguments.digest is not None or len(arguments.paths) != 2:  # noqa: PLR2004 - FILE and PROOF
        raise UsageError("With --link, give FILE and PROOF.")
    path, proof_path = map(Path, arguments.paths)
    link = run.open_link(arguments.link)
    proof = _read_proof(proof_path)
    sha256 = _hash_file(path)
    is_ciphertext = sha256 == proof.record.sha256
    # The plaintext's own digest is in no proof: what is proved then is the record that its link leads to.
    options = (
        _list_options(run, paths=arguments.paths, digest=None)
        if is_ciphertext
        else _list_options(run, paths=[str(proof_path)], digest=proof.record.sha256.hex())
    )
    code, printed = _run_verifier(options)
    if code != exits.DONE:
        _print_lines(run, printed)
        return code
    manifest = _get_manifest(run, link)
    check_seal(proof.record.seal, secret=link.secret, manifest_sha256=link.manifest_sha256)
    if (proof.record.length, proof.record.root) != (manifest.length, manifest.root):
        raise SealMismatchError("The record is not the blob that the link's manifest names.")
    name = _check_ciphertext(path, link, manifest) if is_ciphertext else _find_name(path, sha256, manifest)
    _print_result(run, printed, name)
    return exits.DONE


def _list_options(run: Run, *, paths: list[str], digest: str | None) -> list[str]:
    """Return the standalone verifier's own command line."""
    arguments = run.arguments
    options = ["verify", *paths]
    for name, value in (
        ("--digest", digest),
        ("--anchors", arguments.anchors),
        ("--registry", arguments.registry),
    ):
        options += [name, value] if value is not None else []
    options += list_source_options(arguments)
    return options + (["--json"] if run.console.is_json else [])


def _run_verifier(options: list[str]) -> tuple[int, str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = run_verifier(options)
    return code, printed.getvalue()


def _read_proof(path: Path) -> ProofDocument:
    with path.open("rb") as stream:
        data = stream.read(PROOF_BYTES_MAX + 1)
    if not data.lstrip().startswith(b"{") or len(data) > PROOF_BYTES_MAX:
        raise UsageError(f"{path} is not a proof document: only a .proof.json has the seal that --link checks.")
    try:
        return read_document(data)
    except ProofError as error:
        raise SealMismatchError(f"The proof is malformed: {error}") from error


def _hash_file(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _get_manifest(run: Run, link: Link) -> Manifest:
    if run.arguments.manifest is not None:
        with run.arguments.manifest.open("rb") as stream:
            sealed = stream.read(MANIFEST_BYTES_MAX + 1)
    else:
        with run.connect(link.server_url, is_signed_in=False) as api:
            sealed = api.get_manifest(link.id)
    if hashlib.sha256(sealed).digest() != link.manifest_sha256:
        raise ManifestMismatchError
    return decrypt_manifest(sealed, link.secret)


def _check_ciphertext(path: Path, link: Link, manifest: Manifest) -> str:
    with path.open("rb") as stream:
        check_plaintext(decrypt_by_x25519(stream, link.secret), manifest)
    return manifest.top_name


def _find_name(path: Path, sha256: bytes, manifest: Manifest) -> str:
    """Return the name under which the manifest lists a plaintext file.

    Raises SealMismatchError if it lists no such file.
    """
    size = path.stat().st_size
    for entry in manifest.files:
        if (entry.sha256, entry.size) == (sha256, size):
            return entry.name
    raise SealMismatchError(f"{path} is neither the record's blob nor a file of the link.")


def _print_result(run: Run, printed: str, name: str) -> None:
    if run.console.is_json:
        run.console.print_result(json.loads(printed) | {"link": {"seal": "valid", "name": name}}, [])
    else:
        _print_lines(run, printed)
        run.console.print_line(f"  seal      valid: this is {name!a} of the link")


def _print_lines(run: Run, printed: str) -> None:
    """Pass on what the verifier says, in which a proof may quote whoever made it."""
    for line in printed.removesuffix("\n").split("\n"):
        run.console.print_line(line)
