"""The registry over HTTP, what everybody may read: links' terms, records, proofs and works."""

import io
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from opentimestamps.core.serialize import StreamDeserializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile

from registry.models import Anchor, Record
from registry.proof.anchors import read_anchored_batches, read_registry
from registry.proof.documents import read_document
from registry.services.claims import approve_claim
from registry.services.records import register_blob
from storage.models import Link
from tests.factories.registry import (
    make_anchor,
    make_claim,
    make_linked_record,
    make_record,
    make_register,
    make_sealed_batch,
)
from tests.factories.storage import CONTENT, digest, make_link
from tests.factories.users import NOW, make_client, make_user
from tests.registry.answers import get_code, list_pages
from users.models import User

pytestmark = pytest.mark.django_db
UPLOADER_LINE = {"payee": "UPLOADER", "holder": None, "name": "the uploader", "share_ppm": 1_000_000}
PLATFORM_LINE = {"payee": "PLATFORM", "holder": None, "name": "the platform", "fee_bp": 1_000}


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    return make_user("carol")


# --- Links ---


def test_everybody_sees_a_links_terms(bob: User):
    link, record = make_linked_record(bob, content=CONTENT, price_msat=2_500)

    answer = Client().get(f"/api/v1/links/{link.id}")

    found = digest(CONTENT)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": str(link.id),
        "url": f"http://127.0.0.1:8000/f/{link.id}",
        "length": len(CONTENT),
        "sha256": f"sha256:{found.sha256.hex()}",
        "root": f"sha256:{found.root.hex()}",
        "seal": "00" * 32,
        "price": {"amount_msat": 2_500},
        "record": str(record.id),
        "payees": [PLATFORM_LINE, UPLOADER_LINE],
        "created_at": "2026-01-01T12:00:00Z",
        "expires_at": None,
        "transfers_max": None,
        "transfers_left": None,
    }


def test_a_link_whose_blob_is_not_registered_yet_names_no_record(bob: User):
    link = make_link(bob)

    before = Client().get(f"/api/v1/links/{link.id}").json()
    register_blob(blob_id=link.blob_id, now=NOW)
    after = Client().get(f"/api/v1/links/{link.id}").json()

    assert (before["record"], before["payees"]) == (None, [])
    assert after["record"] == str(Record.objects.get().id)


def test_an_approved_claim_shows_in_a_links_terms(alice: User, bob: User):
    link, record = make_linked_record(bob)
    claim = make_claim(alice, record=record, share_ppm=600_000)
    approve_claim(claim_id=claim.id, actor=make_user("reviewer", is_staff=True), reason="Checked.", now=NOW)

    payees = Client().get(f"/api/v1/links/{link.id}").json()["payees"]

    assert payees == [
        PLATFORM_LINE,
        {"payee": "HOLDER", "holder": str(claim.holder_id), "name": "Alice's Archive", "share_ppm": 600_000},
        {**UPLOADER_LINE, "share_ppm": 400_000},
    ]


def test_an_unknown_or_disabled_link_has_no_terms(bob: User):
    link = make_link(bob)
    Link.objects.update(disabled_at=NOW)

    assert get_code(Client().get(f"/api/v1/links/{uuid.uuid4()}")) == (404, "link-not-found")
    assert get_code(Client().get(f"/api/v1/links/{link.id}")) == (410, "link-disabled")


# --- Records ---


def test_a_record_tells_how_far_it_is(bob: User):
    record = make_record(bob, content=CONTENT)
    address, found = f"/api/v1/records/{record.id}", digest(CONTENT)

    registered = Client().get(address).json()
    batch = make_sealed_batch()
    sealed = Client().get(address).json()
    anchor = make_anchor(batch=batch, state=Anchor.State.FINAL)
    final = Client().get(address).json()

    assert registered == {
        "id": str(record.id),
        "kind": 1,
        "sha256": f"sha256:{found.sha256.hex()}",
        "length": len(CONTENT),
        "root": f"sha256:{found.root.hex()}",
        "seal": "00" * 32,
        "leaf": bytes(record.leaf).hex(),
        "registered_at": "2026-01-01T12:00:00Z",
        "state": "REGISTERED",
        "work": str(record.work_id),
        "index": None,
        "batch": None,
        "anchor": None,
    }
    in_batch = {
        "seq": 0,
        "first_index": 0,
        "size": 1,
        "root": bytes(record.leaf).hex(),
        "commitment": bytes(batch.commitment).hex(),
    }
    assert sealed == {**registered, "state": "SEALED", "index": 0, "batch": in_batch}
    assert anchor.current is not None
    in_block = {
        "state": "FINAL",
        "txid": anchor.current.txid,
        "height": anchor.height,
        "block_hash": anchor.block_hash,
    }
    assert final == {**sealed, "state": "FINAL", "anchor": in_block}


def test_a_signed_anchor_has_no_block_yet(bob: User):
    anchor = make_anchor(state=Anchor.State.SIGNED)

    answer = Client().get(f"/api/v1/records/{Record.objects.get().id}").json()

    assert anchor.current is not None
    assert answer["anchor"] == {"state": "SIGNED", "txid": anchor.current.txid, "height": None, "block_hash": None}


def test_lists_records_of_every_uploader_newest_first(bob: User, carol: User):
    made = [
        make_record(bob if number % 2 else carol, content=bytes([number]), now=NOW + timedelta(seconds=number))
        for number in range(5)
    ]
    newest_first = [str(record.id) for record in reversed(made)]

    assert list_pages(Client(), "/records") == [newest_first[:2], newest_first[2:4], newest_first[4:]]


def test_a_new_record_does_not_shift_the_next_page(bob: User):
    first, second, third = [make_record(bob, content=bytes([n]), now=NOW + timedelta(seconds=n)) for n in range(3)]
    page = Client().get("/api/v1/records?limit=2").json()
    make_record(bob, content=b"newer", now=NOW + timedelta(seconds=9))

    following = Client().get(page["next"]).json()

    assert [row["id"] for row in page["results"]] == [str(third.id), str(second.id)]
    assert [row["id"] for row in following["results"]] == [str(first.id)]
    assert [row["id"] for row in Client().get(following["previous"]).json()["results"]] == [
        str(third.id),
        str(second.id),
    ]


def test_finds_records_by_digest(bob: User):
    record, _ = make_record(bob, content=b"one"), make_record(bob, content=b"two")

    found = Client().get("/api/v1/records", {"sha256": bytes(record.sha256).hex()}).json()["results"]
    missing = Client().get("/api/v1/records", {"sha256": "00" * 32}).json()

    assert [row["id"] for row in found] == [str(record.id)]
    assert missing == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize("sha256", ["00", "G" * 64, "AB" * 32, "sha256:" + "00" * 32])
def test_refuses_a_malformed_digest(sha256: str):
    answer = Client().get("/api/v1/records", {"sha256": sha256})

    assert get_code(answer) == (400, "invalid-input")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/sha256"]


def test_refuses_a_cursor_that_it_did_not_give():
    assert get_code(Client().get("/api/v1/records", {"cursor": "x"})) == (404, "not-found")


@pytest.mark.parametrize("part", ["", "/proof", "/proof.ots"])
def test_there_is_nothing_of_an_unknown_record(part: str):
    assert get_code(Client().get(f"/api/v1/records/{uuid.uuid4()}{part}")) == (404, "record-not-found")


# --- Proofs ---


def test_everybody_may_download_a_proof_of_the_record(bob: User):
    record = make_record(bob)
    anchor = make_anchor()

    answer = Client().get(f"/api/v1/records/{record.id}/proof")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{record.id}.proof.json"'
    proof = read_document(answer.content)
    assert (proof.record.sha256, proof.index) == (bytes(record.sha256), 0)
    assert proof.anchored.block.height == anchor.height


def test_everybody_may_download_a_timestamp_of_the_file(bob: User):
    record = make_record(bob)
    anchor = make_anchor()

    answer = Client().get(f"/api/v1/records/{record.id}/proof.ots")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.opentimestamps.v1"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{record.id}.ots"'
    detached = DetachedTimestampFile.deserialize(StreamDeserializationContext(io.BytesIO(answer.content)))
    assert detached.file_digest == bytes(record.sha256)
    assert [attestation.height for _, attestation in detached.timestamp.all_attestations()] == [anchor.height]


@pytest.mark.parametrize("part", ["proof", "proof.ots"])
def test_there_is_no_proof_before_the_anchor_is_in_a_block(bob: User, part: str):
    record = make_record(bob)
    make_anchor(state=Anchor.State.BROADCAST)

    answer = Client().get(f"/api/v1/records/{record.id}/{part}")

    assert get_code(answer) == (409, "proof-not-ready")
    assert answer.headers["Retry-After"] == "1"


def test_everybody_may_download_the_anchors_file():
    anchors = [make_anchor(), make_anchor()]
    make_anchor(state=Anchor.State.BROADCAST)

    answer: Any = Client().get("/api/v1/anchors")

    assert answer.streaming
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="anchors.ndjson"'
    stream = io.BytesIO(answer.getvalue())
    assert read_registry(stream).first_outpoint.startswith(b"\x11" * 32)
    assert [anchored.block.height for anchored in read_anchored_batches(stream)] == [a.height for a in anchors]


def test_the_anchors_file_of_a_young_register_names_the_register_alone():
    make_register()

    answer: Any = Client().get("/api/v1/anchors")

    assert answer.streaming
    assert answer.getvalue().count(b"\n") == 1


def test_there_is_no_anchors_file_before_the_register_is_founded():
    assert get_code(Client().get("/api/v1/anchors")) == (404, "register-missing")


# --- Works ---


def test_everybody_sees_every_version_of_a_works_split_policy(alice: User, bob: User):
    record = make_record(bob)
    claim = make_claim(alice, record=record, title="A Field Guide", share_ppm=250_000)
    later = NOW + timedelta(hours=1)
    approve_claim(claim_id=claim.id, actor=make_user("reviewer", is_staff=True), reason="Checked.", now=later)

    answer = Client().get(f"/api/v1/works/{record.work_id}")

    assert answer.status_code == 200
    work = answer.json()
    policies = work.pop("policies")
    assert work == {"id": str(record.work_id), "title": "A Field Guide", "created_at": "2026-01-01T12:00:00Z"}
    assert [
        (policy["territory"], policy["version"], policy["valid_from"], policy["valid_to"]) for policy in policies
    ] == [
        ("WW", 1, "2026-01-01T13:00:00Z", None),
        ("WW", 0, "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"),
    ]
    assert policies[0]["lines"] == [
        PLATFORM_LINE,
        {"payee": "HOLDER", "holder": str(claim.holder_id), "name": "Alice's Archive", "share_ppm": 250_000},
        {**UPLOADER_LINE, "share_ppm": 750_000},
    ]
    assert policies[1]["lines"] == [PLATFORM_LINE, UPLOADER_LINE]


def test_there_is_no_unknown_work():
    assert get_code(Client().get(f"/api/v1/works/{uuid.uuid4()}")) == (404, "work-not-found")


@pytest.mark.parametrize(
    "path",
    ["/records", "/records/{}", "/records/{}/proof", "/records/{}/proof.ots", "/anchors", "/works/{}"],
)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_what_everybody_reads_nobody_writes(alice: User, path: str, method: str):
    answer = getattr(make_client(alice), method)(f"/api/v1{path.format(uuid.uuid4())}")

    assert get_code(answer) == (405, "method-not-allowed")
