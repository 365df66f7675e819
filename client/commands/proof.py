"""`cadastre proof (LINK | RECORD_ID)`: fetch a record's proof document and OpenTimestamps proof."""

import argparse
import time
from pathlib import Path

from client import exits
from client.api import Api
from client.arguments import parse_seconds
from client.documents import RecordInfo, is_uuid
from client.errors import ProofNotReadyError, ProtocolError
from client.links import parse_public_url
from client.runs import Run
from registry.proof.documents import read_document
from registry.proof.errors import ProofError

HELP = "Fetch the proofs of a record: RECORD.proof.json and RECORD.ots."
POLL_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "subject",
        metavar="LINK|RECORD_ID",
        help="the part of a link after # is not needed; - reads it from standard input",
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(), metavar="DIR", help="the folder to write to")
    parser.add_argument(
        "--wait", type=parse_seconds, default=0.0, metavar="SECONDS", help="poll until the proofs are ready"
    )


def run(run: Run) -> int:
    """Fetch both proofs; an existing file of the same record is replaced."""
    arguments = run.arguments
    subject = run.read_link(arguments.subject)
    is_record = is_uuid(subject)
    server_url, link_id = (None, "") if is_record else parse_public_url(subject)
    deadline = time.monotonic() + arguments.wait
    with run.connect(server_url, is_signed_in=False) as api:
        while True:
            try:
                record_id = subject if is_record else _find_record_id(api, link_id)
                proof, timestamp = api.get_proof(record_id), api.get_timestamp(record_id)
                break
            except ProofNotReadyError:
                if time.monotonic() + POLL_S > deadline:
                    raise
                time.sleep(POLL_S)
        record = api.get_record(record_id)
    _check_proof(proof, record)
    paths = [arguments.output / f"{record_id}.proof.json", arguments.output / f"{record_id}.ots"]
    arguments.output.mkdir(parents=True, exist_ok=True)
    for path, data in zip(paths, (proof, timestamp), strict=True):
        path.write_bytes(data)
    document = {"record": record_id, "state": record.state, "proof": str(paths[0]), "ots": str(paths[1])}
    run.console.print_result(document, [str(path) for path in paths])
    return exits.DONE


def _find_record_id(api: Api, link_id: str) -> str:
    record_id = api.get_link(link_id).record_id
    if record_id is None:
        raise ProofNotReadyError("The link's blob has no record yet.")
    return record_id


def _check_proof(proof: bytes, record: RecordInfo) -> None:
    """Refuse to write what is not this record's proof; whether it holds is for `cadastre verify` to say."""
    try:
        document = read_document(proof)
    except ProofError as error:
        raise ProtocolError(f"The server's proof is malformed: {error}") from error
    if document.record.sha256 != record.sha256:
        raise ProtocolError("The server sent the proof of another record.")
