"""Proofs that the server writes, checked by the verifier and by the stock OpenTimestamps library."""

import io

import pytest
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation
from opentimestamps.core.serialize import StreamDeserializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile

from registry.errors import ProofNotReadyError, RecordNotFoundError, RegisterMissingError
from registry.models import Record
from registry.proof.__main__ import main as run_verifier
from registry.selectors.proofs import get_proof_document, get_timestamp, iterate_anchors_file
from registry.services import anchors
from registry.services.batches import seal_batch
from tests.factories.registry import make_document_record
from tests.registry.conftest import NOW, FoundedRegister


@pytest.fixture
def anchored(founded: FoundedRegister) -> list[Record]:
    """Two batches of three and one records, both anchored and six blocks deep."""
    records = [make_document_record(now=NOW) for _ in range(3)]
    seal_batch(now=NOW)
    anchors.send_anchors(node=founded.node, now=NOW)
    founded.mine(1)
    records.append(make_document_record(now=NOW))
    seal_batch(now=NOW)
    anchors.send_anchors(node=founded.node, now=NOW)
    founded.mine(6)
    return records


def test_the_verifier_accepts_every_proof(anchored: list[Record], founded: FoundedRegister, tmp_path, settings):
    anchors_path = tmp_path / "anchors.ndjson"
    anchors_path.write_bytes(b"".join(iterate_anchors_file()))
    for record in anchored:
        document = tmp_path / f"{record.id}.proof.json"
        document.write_bytes(get_proof_document(record.id))
        digest = bytes(record.sha256).hex()
        node = ["--node", settings.CADASTRE_NODE_URL]

        assert run_verifier(["verify", "--digest", digest, str(document), *node]) == 0
        assert run_verifier(["verify", "--digest", digest, str(document), *node, "--anchors", str(anchors_path)]) == 0
        assert run_verifier(["verify", "--digest", "00" * 32, str(document), *node]) == 1


def test_the_stock_library_accepts_every_timestamp(anchored: list[Record], founded: FoundedRegister):
    for record in anchored:
        stream = StreamDeserializationContext(io.BytesIO(get_timestamp(record.id)))
        detached = DetachedTimestampFile.deserialize(stream)
        assert detached.file_digest == bytes(record.sha256)
        [(merkle_root, attestation)] = list(detached.timestamp.all_attestations())
        assert isinstance(attestation, BitcoinBlockHeaderAttestation)
        header = founded.node.get_block_header(founded.node.get_block_hash(attestation.height))
        assert header.raw[36:68] == merkle_root


def test_there_is_no_proof_before_the_anchor_is_mined(founded: FoundedRegister):
    record = make_document_record(now=NOW)
    with pytest.raises(ProofNotReadyError):
        get_proof_document(record.id)
    seal_batch(now=NOW)
    with pytest.raises(ProofNotReadyError):
        get_timestamp(record.id)
    anchors.send_anchors(node=founded.node, now=NOW)
    with pytest.raises(ProofNotReadyError):
        get_proof_document(record.id)


@pytest.mark.django_db
def test_there_is_no_proof_of_an_unknown_record():
    with pytest.raises(RecordNotFoundError):
        get_proof_document(Record().id)


@pytest.mark.django_db
def test_there_is_no_anchors_file_without_a_register():
    with pytest.raises(RegisterMissingError):
        next(iterate_anchors_file())
