"""The register's pages, as anonymous visitors see them."""

import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from registry.models import Anchor, Record, SplitPolicy
from registry.proof.__main__ import main as verify
from registry.rules.digest_lines import Digests
from registry.services.batches import open_batch
from registry.services.submissions import register_digests
from registry.trees import SUBTREE_LEAVES
from tests.factories.registry import (
    make_anchor,
    make_document_record,
    make_record,
    make_register,
    make_sealed_batch,
)
from tests.factories.users import NOW
from tests.web.readers import read_text
from users.models import User
from web.selectors.records import PAGE_ROWS

pytestmark = pytest.mark.django_db


def test_the_home_page_of_an_empty_register_promises_nothing(client: Client):
    page = client.get("/")

    text = read_text(page)
    assert page.status_code == 200
    assert "Records 0" in text
    assert "Last anchor none yet" in text


def test_the_home_page_counts_sealed_and_waiting_records_and_names_the_last_anchor(client: Client, bob: User):
    make_record(bob)
    anchor = make_anchor()
    make_record(bob, content=b"later")

    text = read_text(client.get("/"))

    assert anchor.current is not None
    assert "Records 2" in text
    assert "Batches in Bitcoin 1" in text
    assert f"block {anchor.height}" in text
    assert anchor.current.txid in text


@pytest.mark.parametrize("address", ["/admin/", "/api/docs", "/records/", "/docs/", "/status"])
def test_the_home_page_leads_to(client: Client, address: str):
    page = client.get("/")

    assert f'href="{address}"' in page.content.decode()
    assert client.get(address, follow=True).status_code == 200


def test_every_page_says_that_a_test_network_proves_nothing(client: Client):
    assert "regtest , a network for tests" in read_text(client.get("/records/"))


def test_the_newest_record_stands_first(client: Client, bob: User):
    older = make_record(bob, content=b"older")
    newer = make_record(bob, content=b"newer")

    page = client.get("/records/").content.decode()

    assert page.index(str(newer.id)) < page.index(str(older.id))


def test_a_long_list_goes_on_where_it_stopped(client: Client):
    records = [make_document_record() for _ in range(PAGE_ROWS + 1)]

    first = client.get("/records/").content.decode()
    second = client.get(f"/records/?before={records[1].id}").content.decode()

    assert f"?before={records[1].id}" in first
    assert str(records[0].id) not in first
    assert str(records[0].id) in second
    assert "Older" not in second


def test_a_malformed_place_in_the_list_is_not_found(client: Client):
    assert client.get("/records/?before=yesterday").status_code == 404


def test_listing_records_takes_a_bounded_number_of_queries(
    client: Client, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
):
    for number in range(5):
        make_record(bob, content=bytes([number]) * 9)
    make_anchor()
    make_record(bob)

    with django_assert_max_num_queries(2):
        client.get("/records/")


def test_a_waiting_record_is_shown_as_not_anchored(client: Client, bob: User):
    record = make_record(bob)

    text = read_text(client.get(f"/records/{record.id}/"))

    assert "REGISTERED" in text
    assert "Bitcoin knows nothing of it yet" in text
    assert "There is no proof yet" in text
    assert ".ots" not in text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (Anchor.State.SIGNED, "not sent yet"),
        (Anchor.State.BROADCAST, "in no block yet"),
        (Anchor.State.MINED, "a block that may still be replaced"),
        (Anchor.State.FINAL, "the block is deep in the chain"),
    ],
)
def test_each_state_of_the_anchor_is_told(client: Client, bob: User, state: Anchor.State, words: str):
    record = make_record(bob)
    make_anchor(state=state)

    text = read_text(client.get(f"/records/{record.id}/"))

    assert f"{state} " in text
    assert words in text


def test_a_sealed_record_waits_for_its_anchor(client: Client, bob: User):
    record = make_record(bob)
    make_sealed_batch()

    text = read_text(client.get(f"/records/{record.id}/"))

    assert "In a batch that no anchor publishes yet" in text
    assert "Not signed yet" in text


def test_a_record_in_an_open_batch_is_not_shown_as_sealed(client: Client, bob: User):
    record = make_record(bob)
    make_register()
    open_batch(now=NOW)

    text = read_text(client.get(f"/records/{record.id}/"))

    assert "REGISTERED" in text
    assert "waits for the next batch to be sealed" in text
    assert "leaf 0 of the register" not in read_text(client.get("/records/"))
    assert "Records 1" in read_text(client.get("/"))
    assert client.get("/batches/0/").status_code == 404


def test_an_anchored_record_shows_every_hash_of_its_way(client: Client, bob: User):
    make_document_record()
    record = make_record(bob)
    make_document_record()
    anchor = make_anchor()

    text = read_text(client.get(f"/records/{record.id}/"))

    record.refresh_from_db()
    leaves = [bytes(leaf) for leaf in Record.objects.order_by("index").values_list("leaf", flat=True)]
    pair = hashlib.sha256(leaves[0] + leaves[1]).hexdigest()
    assert anchor.current is not None
    for value in (
        bytes(record.sha256).hex(),
        bytes(record.leaf).hex(),
        leaves[0].hex(),
        pair,
        leaves[2].hex(),
        bytes(anchor.batch.root).hex(),
        bytes(anchor.batch.commitment).hex(),
        bytes(anchor.batch.previous_commitment).hex(),
        anchor.batch.recent_block_hash,
        f"{anchor.batch.register.first_txid}:0",
        anchor.current.txid,
        anchor.block_hash,
        bytes(anchor.current.block_header or b"").hex(),
    ):
        assert value in text
    assert "the root of 3 leaves, 2 steps above this one" in text.lower()


def test_the_printed_command_verifies_the_downloaded_proof(
    client: Client, bob: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    record = make_record(bob)
    anchor = make_anchor(state=Anchor.State.FINAL)
    text = read_text(client.get(f"/records/{record.id}/"))
    proof = tmp_path / "record.proof.json"
    proof.write_bytes(client.get(f"/api/v1/records/{record.id}/proof").content)

    digest = bytes(record.sha256).hex()
    assert anchor.current is not None
    header = f"{anchor.height}:{bytes(anchor.current.block_header or b'').hex()}"
    code = verify(["verify", "--digest", digest, str(proof), "--header", header])

    assert f"python -m registry.proof verify --digest {digest} {record.id}.proof.json" in text
    assert code == 0, capsys.readouterr()


def test_a_later_batch_leads_back_to_the_anchor_that_it_spends(client: Client):
    first = make_anchor()
    make_anchor()

    text = read_text(client.get("/batches/1/"))

    assert first.current is not None
    assert f"{first.current.txid}:0" in text
    assert "the anchor of batch 0" in text


def test_a_bare_digest_is_not_shown_with_a_length_that_nobody_knows(client: Client, bob: User):
    register_digests(user=bob, key="k", digests=Digests(joined=b"d" * 32, body_sha256=bytes(32)), now=NOW)
    record = Record.objects.get()

    for address in ("/records/", f"/records/{record.id}/"):
        text = read_text(client.get(address))
        assert "are digest" in text
        assert "0 bytes" not in text
    assert "only the digest was registered" in text


def test_who_is_paid_is_shown_with_the_record(client: Client, bob: User):
    record = make_record(bob, price_msat=1_000)

    text = read_text(client.get(f"/records/{record.id}/"))

    assert "the platform 10 % fee, off the top 10 %" in text
    assert "the uploader 100 % of what is left 90 %" in text


def test_a_work_without_a_policy_in_force_says_so(client: Client, bob: User):
    record = make_record(bob)
    SplitPolicy.objects.update(valid_to=NOW + timedelta(seconds=1))

    assert "No split policy of its work is in force" in read_text(client.get(f"/records/{record.id}/"))


def test_a_document_has_no_work_and_nobody_is_paid(client: Client):
    record = make_document_record()

    assert "Who is paid" not in read_text(client.get(f"/records/{record.id}/"))


def test_a_batch_lists_its_records_from_an_index_on(client: Client):
    records = [make_document_record() for _ in range(PAGE_ROWS + 2)]
    make_sealed_batch()

    first = client.get("/batches/0/").content.decode()
    second = client.get(f"/batches/0/?from={PAGE_ROWS}").content.decode()

    assert f"?from={PAGE_ROWS}" in first
    assert str(records[-1].id) not in first
    assert str(records[-1].id) in second


@pytest.mark.parametrize(
    "address",
    [
        "/records/01234567-89ab-7def-8123-456789abcdef/",
        "/records/1/",
        "/batches/0/",
        "/batches/99999999999999999999999/",
        "/batches/0/?from=-1",
        "/batches/0/?from=99999999999999999999999",
    ],
)
def test_what_is_not_there_is_not_found(client: Client, address: str):
    page = client.get(address)

    assert page.status_code == 404
    assert "Nothing here" in read_text(page)


def test_status_tells_what_waits_and_for_how_long(client: Client):
    make_register()
    make_document_record()

    text = read_text(client.get("/status"))

    assert "Records for a batch 1" in text
    assert "Batches for an anchor 0 none" in text
    assert "Anchors follow the chain to block 100" in text
    assert "in no block yet has waited" in text


def test_status_of_an_empty_server_says_that_nothing_is_founded(client: Client):
    text = read_text(client.get("/status"))

    assert "Every record is in a block" in text
    assert "has not been founded" in text


@pytest.mark.parametrize("address", ["/", "/records/", "/search", "/status", "/docs/"])
def test_pages_are_only_read(client: Client, address: str):
    assert client.post(address).status_code == 405


def test_a_records_and_a_batchs_page_take_the_same_number_of_queries_however_large_the_batch(
    client: Client, bob: User, django_assert_num_queries: DjangoAssertNumQueries
):
    small = make_record(bob)
    make_anchor()
    with CaptureQueriesContext(connection) as of_record:
        client.get(f"/records/{small.id}/")
    with CaptureQueriesContext(connection) as of_batch:
        client.get("/batches/0/")
    for _ in range(60):
        make_document_record()
    large = make_record(bob, content=b"another")
    make_anchor()

    with django_assert_num_queries(len(of_record)):
        assert "The root of 61 leaves" in read_text(client.get(f"/records/{large.id}/"))
    with django_assert_num_queries(len(of_batch)):
        assert "61 leaves under one Merkle root" in read_text(client.get("/batches/1/"))
    assert max(len(of_record), len(of_batch)) <= 12


def test_no_page_reads_more_leaves_than_one_subtree_has(client: Client):
    """The rows that a page reads are bounded whatever the batch holds: no query without a limit but the subtree's."""
    record = make_document_record()
    make_anchor()

    with CaptureQueriesContext(connection) as captured:
        client.get(f"/records/{record.id}/")

    of_leaves = [query["sql"] for query in captured if 'SELECT "registry_record"."leaf"' in query["sql"]]
    assert len(of_leaves) == 1
    bounds = re.search(r'"index" >= (\d+) AND .*"index" < (\d+)', of_leaves[0])
    assert bounds is not None
    first, end = map(int, bounds.groups())
    assert 0 < end - first <= SUBTREE_LEAVES


def test_an_anchored_batch_offers_all_its_proofs_and_the_anchors_file(client: Client):
    make_document_record()
    make_sealed_batch()
    assert "All proofs" not in read_text(client.get("/batches/0/"))
    make_anchor(state=Anchor.State.FINAL)

    page = client.get("/batches/0/").content.decode()

    for address in ("/api/v1/batches/0/proofs?format=both", "/api/v1/anchors"):
        assert f'href="{address}"' in page
        assert client.get(address).status_code == 200
