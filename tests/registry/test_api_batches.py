"""Batches in the API: Carol, a stranger, sees and verifies them all."""

import io
import zipfile
from pathlib import Path

import pytest
from django.test import Client

from registry.models import Anchor, Record
from registry.proof.__main__ import main as run_verifier
from registry.selectors.proofs import get_proof_document, get_timestamp
from registry.services import anchors
from registry.services.batches import seal_batch
from tests.factories.registry import make_anchor, make_document_record, make_sealed_batch
from tests.registry.conftest import NOW, FoundedRegister


def read_body(response) -> bytes:
    return b"".join(response.streaming_content)


@pytest.fixture
def records(founded: FoundedRegister) -> list[Record]:
    """Five records in a final batch."""
    made = [make_document_record(now=NOW) for _ in range(5)]
    seal_batch(now=NOW)
    anchors.send_anchors(node=founded.node, now=NOW)
    founded.mine(6)
    return [Record.objects.get(id=record.id) for record in made]


@pytest.mark.django_db
def test_batches_are_listed_newest_first_with_their_anchors(client: Client):
    make_anchor(state=Anchor.State.MINED)
    second = make_sealed_batch()

    answer = client.get("/api/v1/batches").json()

    assert [batch["seq"] for batch in answer["results"]] == [1, 0]
    assert [batch["anchor"] and batch["anchor"]["state"] for batch in answer["results"]] == [None, "MINED"]
    assert answer["results"][0]["previous_commitment"] == answer["results"][1]["commitment"]
    assert answer["results"][0]["recent_block_hash"] == second.recent_block_hash


@pytest.mark.django_db
def test_a_batch_is_found_by_its_number(client: Client):
    batch = make_sealed_batch()

    answer = client.get("/api/v1/batches/0").json()

    assert (answer["seq"], answer["size"], answer["root"]) == (0, 1, bytes(batch.root).hex())


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/batches/7", "/api/v1/batches/7/proofs", f"/api/v1/batches/{10**30}"])
def test_there_is_no_batch_that_was_not_sealed(client: Client, path: str):
    make_sealed_batch()

    response = client.get(path)

    assert (response.status_code, response.json()["code"]) == (404, "batch-not-found")


@pytest.mark.django_db
def test_there_is_no_batch_without_a_register(client: Client):
    assert client.get("/api/v1/batches/0").json()["code"] == "register-missing"
    assert client.get("/api/v1/batches").json()["results"] == []


@pytest.mark.django_db
def test_there_are_no_proofs_before_the_anchor_is_mined(client: Client):
    batch = make_sealed_batch()
    assert client.get("/api/v1/batches/0/proofs").json()["code"] == "proof-not-ready"
    make_anchor(state=Anchor.State.BROADCAST, batch=batch)

    response = client.get("/api/v1/batches/0/proofs")

    assert (response.status_code, response.json()["code"]) == (409, "proof-not-ready")


@pytest.mark.django_db
def test_an_unknown_form_is_refused(client: Client):
    make_sealed_batch()

    response = client.get("/api/v1/batches/0/proofs?format=pdf")

    assert (response.status_code, response.json()["code"]) == (400, "invalid-input")


def test_the_archive_has_the_very_proofs_of_every_record(client: Client, records: list[Record]):
    response = client.get("/api/v1/batches/0/proofs?format=both")

    assert response["Content-Disposition"] == 'attachment; filename="batch-0-proofs.zip"'
    with zipfile.ZipFile(io.BytesIO(read_body(response))) as archive:
        assert archive.testzip() is None
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {f"{record.id}.ots": get_timestamp(record.id) for record in records} | {
        f"{record.id}.proof.json": get_proof_document(record.id) for record in records
    }


@pytest.mark.parametrize(("query", "ending"), [("", ".ots"), ("?format=ots", ".ots"), ("?format=json", ".proof.json")])
def test_carol_audits_the_archive(
    client: Client, records: list[Record], tmp_path: Path, settings, query: str, ending: str
):
    path = tmp_path / "proofs.zip"
    path.write_bytes(read_body(client.get(f"/api/v1/batches/0/proofs{query}")))

    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{record.id}{ending}" for record in sorted(records, key=lambda r: r.index or 0)]
    assert run_verifier(["audit", str(path), "--node", settings.CADASTRE_NODE_URL]) == 0
