"""The search: where each thing that can be looked up leads to."""

import pytest
from django.test import Client

from tests.factories.registry import make_anchor, make_document_record, make_record, make_register, make_sealed_batch
from tests.web.readers import read_text
from users.models import User

pytestmark = pytest.mark.django_db


def test_search_leads_to_the_record_of_a_digest_leaf_or_id(client: Client, bob: User):
    record = make_record(bob)

    for text in (bytes(record.sha256).hex(), f" SHA256:{bytes(record.sha256).hex().upper()} ", str(record.id)):
        assert client.get("/search", {"q": text}).headers["Location"] == f"/records/{record.id}/"
    assert client.get("/search", {"q": bytes(record.leaf).hex()}).headers["Location"] == f"/records/{record.id}/"


def test_search_leads_to_the_record_of_a_blobs_root(client: Client, bob: User):
    record = make_record(bob)

    answer = client.get("/search", {"q": bytes(record.root).hex()})

    assert answer.headers["Location"] == f"/records/{record.id}/"


def test_search_leads_to_the_batch_of_a_number_root_or_commitment(client: Client):
    make_document_record()
    make_document_record()
    anchor = make_anchor()

    root, commitment = bytes(anchor.batch.root).hex(), bytes(anchor.batch.commitment).hex()
    grouped = " ".join(root[at : at + 8] for at in range(0, 64, 8))
    for text in (root, grouped, commitment, "0", "batch 0", "#0"):
        assert client.get("/search", {"q": text}).headers["Location"] == "/batches/0/"


def test_search_leads_to_the_anchor_of_a_transaction_output_or_block(client: Client):
    anchor = make_anchor()

    assert anchor.current is not None
    txid = anchor.current.txid
    for text in (txid, f"{txid}:0", anchor.block_hash):
        assert client.get("/search", {"q": text}).headers["Location"] == f"/anchors/{txid}/"


def test_search_leads_to_the_chain_of_the_first_outpoint(client: Client):
    register = make_register()

    answer = client.get("/search", {"q": f"{register.first_txid}:{register.first_vout}"})

    assert answer.headers["Location"] == "/anchors/"


def test_search_shows_all_that_it_found(client: Client):
    record = make_document_record()
    make_sealed_batch()

    page = client.get("/search", {"q": bytes(record.leaf).hex()})

    text = read_text(page)
    assert page.status_code == 200
    assert "batch 0" in text
    assert str(record.id) in page.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("00" * 32, f"Nothing in this register has {'00' * 32}"),
        ("7", "Nothing in this register has 7"),
        ("9" * 19, "neither a hash"),
        ("<script>", "neither a hash"),
        ("ABC'; --", "neither a hash"),
        ("", "Look something up"),
    ],
)
def test_search_says_when_there_is_nothing(client: Client, query: str, words: str):
    page = client.get("/search", {"q": query})

    assert page.status_code == 200
    assert words in read_text(page)
    assert "<script>" not in page.content.decode()
