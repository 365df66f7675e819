"""What a command of the verifier prints: lines for people, or one JSON object, and its exit code.

Much of it was written by whoever made the proof: names of files, addresses of calendars, values that are refused. So
nothing but this prints, and no letter passes that ends a line, moves a cursor or turns the direction of writing.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from math import log2
from pathlib import Path

from registry.proof.claims import AttestationClaim, ChainClaim, Claims, SourceClaim
from registry.proof.errors import InvalidProofError, ProofError, UsageError

EXIT_VALID, EXIT_INVALID, EXIT_UNDECIDED, EXIT_USAGE = 0, 1, 2, 3
EXIT_FAULT = 70
"""The verifier itself failed, which says nothing of the proof. 1 would say that it is invalid. Source: sysexits.h."""
_EXITS = {"invalid": EXIT_INVALID, "undecided": EXIT_UNDECIDED, "usage": EXIT_USAGE}
_REGISTRY_NOTES = {
    False: "which the anchors file names: compare it with the one that you know",
    True: "which you named",
}


def settle(work: Callable[[], int], *, is_json: bool) -> int:
    """Do the work of a command, and return its exit code, whatever comes of it.

    What the system refuses, such as reading a file or writing a temporary one, is wrong usage.
    """
    try:
        try:
            return work()
        except ProofError as error:
            return report_error(error, is_json=is_json)
    except OSError as error:
        place = "the system" if error.filename is None else f"{error.filename}"
        return report_error(UsageError(f"{place}: {error.strerror or error}"), is_json=is_json)
    except Exception as error:  # noqa: BLE001 - Python's own code for it is 1, which says "invalid"
        sys.stderr.write(escape_text(f"the verifier failed: {type(error).__name__}: {error}") + "\n")
        return EXIT_FAULT


def report_claims(claims: Claims, *, is_json: bool) -> int:
    """Print what is proved."""
    if is_json:
        print_json({"result": "valid", "level": claims.level, **asdict(claims)})
    else:
        print_lines(_list_lines(claims))
    return EXIT_VALID


def report_error(error: ProofError, *, is_json: bool, attestations: Sequence[AttestationClaim] = ()) -> int:
    """Print why nothing is proved, and what became of an .ots's attestations."""
    step = error.step if isinstance(error, InvalidProofError) else None
    cause = type(error).__name__
    if is_json:
        answer = {"result": error.result, "step": step, "cause": cause, "detail": str(error)} | _list_places(error)
        print_json(answer | {"attestations": [asdict(claim) for claim in attestations]})
    else:
        place = "" if step is None else f" at step {step}"
        place += "".join(f", {what} {name}" for what, name in _list_places(error).items())
        print_lines([f"{error.result}{place}: {error} ({cause})", *map(_write_attestation, attestations)])
    return _EXITS[error.result]


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for people, each as one line whatever it quotes."""
    _print("\n".join(map(escape_text, lines)))


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON object. Python's writer leaves but one letter in it that is not printable: ASCII's last."""
    _print(json.dumps(document, indent=1).replace("\x7f", "\\u007f"))


def escape_text(text: str) -> str:
    """Return a text in which every character that is not printable, a line's end too, is written as `\\x1b` is."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _print(text: str) -> None:
    """Write to standard output, also letters that its encoding lacks, and also if nobody reads on.

    Raises OSError if it cannot be written for another reason; after that, everything is written to nowhere.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail once more when Python ends, and change the exit code.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def _list_places(error: ProofError) -> dict[str, int | str]:
    """Return which batch or which of many proofs is at fault, where an audit found it."""
    places = {"batch": error.batch, "file": error.file}
    return {what: name for what, name in places.items() if name is not None}


def _list_lines(claims: Claims) -> list[str]:
    block = claims.block
    lines = [
        f"valid: existed before block {block.height}, whose miner dates it {block.time}",
        f"  {claims.hash_name:9} {claims.digest}",
        f"  block     {block.block_hash}",
    ]
    lines += _list_record_lines(claims)
    lines += map(_write_attestation, claims.attestations)
    told = sum(source.told for source in claims.sources)
    if told < len(claims.sources):
        lines.append(f"  sources   only {told} of {len(claims.sources)} can tell")
    return lines + [line for source in claims.sources for line in list_source_lines(source)]


def _list_record_lines(claims: Claims) -> list[str]:
    record = claims.record
    if record is None:
        return []
    after = "undecided" if record.made_after_block is None else f"made after block {record.made_after_block}"
    lines = [
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


def _write_attestation(claim: AttestationClaim) -> str:
    if claim.uri is not None:
        about = claim.uri
    elif claim.height is not None:
        about = f"block {claim.height}"
    else:
        about = f"tag {claim.tag}, {len(claim.payload) // 2} bytes"
    reason = "" if claim.detail is None else f" ({claim.detail})"
    return f"  {claim.kind:9} {about}: {claim.result}{reason}"


def list_source_lines(source: SourceClaim) -> list[str]:
    """Return what a source said of a block, and which chain its headers file holds."""
    said = "has this header" if source.told else f"cannot tell: {source.detail}"
    lines = [f"  source    {source.source}: {said}"]
    return lines if source.chain is None else [*lines, _write_chain(source.chain)]


def _write_chain(chain: ChainClaim) -> str:
    span = f"blocks {chain.first_height} to {chain.tip_height}, 2^{log2(int(chain.work)):.1f} hashes of work"
    return f"            {chain.network}, {span}, tip {chain.tip_hash}"
