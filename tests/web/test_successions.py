"""The pages of a register that succeeds another one whose key was lost."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from chain.keys import Key
from chain.models import FollowerState
from chain.networks import REGTEST
from chain.node import NodeClient
from registry.models import Anchor, Batch, Record, Register
from registry.selectors.registers import get_consumer
from registry.services.successions import succeed_register
from tests.factories.registry import (
    ObligingTransport,
    make_anchor,
    make_document_record,
    make_sealed_batch,
)
from tests.factories.users import NOW
from tests.web.readers import read_text
from web.selectors.health import get_health

pytestmark = pytest.mark.django_db(transaction=True)
NEW_KEY = Key.from_secret(b"the next anchor key of the tests")
NEW_TXID = "22" * 32
OLD = f"{'11' * 32}:0"


class FoundingTransport(ObligingTransport):
    """A node that also knows the output on which the new register is founded."""

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Answer one call."""
        call = json.loads(body)
        if call["method"] != "gettxout":
            return super().exchange(body, is_repeatable=is_repeatable)
        output = {
            "bestblock": "00" * 32,
            "confirmations": 100,
            "value": 0.01,
            "scriptPubKey": {"hex": NEW_KEY.script_pubkey.hex()},
            "coinbase": False,
        }
        return json.dumps({"id": call["id"], "error": None, "result": output}).encode()


@pytest.fixture
def anchored() -> Record:
    """A record that the old register has anchored."""
    make_document_record()
    record = make_document_record()
    make_anchor(state=Anchor.State.FINAL)
    return record


@pytest.fixture
def stranded(anchored: Record) -> Record:
    """A record that the old register has sealed and never anchored."""
    make_document_record()
    record = make_document_record()
    make_sealed_batch()
    return record


@pytest.fixture
def successor(stranded: Record, settings: Settings) -> Register:
    """The register that succeeds the old one."""
    settings.CADASTRE_ANCHOR_KEY = NEW_KEY.to_wif(REGTEST)
    node = NodeClient("http://cadastre:cadastre@127.0.0.1:1", transport=FoundingTransport())
    return succeed_register(old_outpoint=OLD, txid=NEW_TXID, vout=1, node=node, now=NOW)


def test_the_new_register_says_that_its_succession_is_unproven(client: Client, successor: Register):
    page = client.get("/anchors/")

    record = Record.objects.get(kind=Record.Kind.SUCCESSION)
    assert "unproven succession" in read_text(page)
    assert "Nothing proves that" in read_text(page)
    assert f'href="/anchors/?register={OLD}"' in page.content.decode()
    assert f'href="/records/{record.id}/"' in page.content.decode()


def test_the_old_registers_chain_is_still_there(client: Client, successor: Register):
    page = client.get("/anchors/", {"register": OLD})

    text = page.content.decode()
    anchor = Anchor.objects.select_related("current").get(batch__seq=0)
    assert anchor.current is not None
    assert f'href="/anchors/{anchor.current.txid}/"' in text
    assert f'href="/api/v1/anchors?register={OLD}"' in text
    assert "the key of this register was lost" in read_text(page)
    assert f'href="/anchors/?register={OLD}"' in client.get(f"/anchors/{anchor.current.txid}/").content.decode()


def test_what_the_old_register_anchored_stays_in_its_batch(client: Client, anchored: Record, successor: Register):
    address = f"/batches/0/?register={OLD}"

    page = client.get(f"/records/{anchored.id}/").content.decode()
    batch = client.get(address)

    assert f'href="{address}"' in page
    assert str(anchored.id) in batch.content.decode()
    assert f'href="/batches/1/?register={OLD}"' in batch.content.decode()
    assert "2 leaves under one Merkle root" in read_text(batch)
    assert f'href="/api/v1/anchors?register={OLD}"' in batch.content.decode()
    assert "All proofs of the batch" not in read_text(batch)
    assert client.get(f"{address}&from=1").status_code == 200


def test_what_it_left_stands_in_a_batch_of_the_new_one(client: Client, stranded: Record, successor: Register):
    page = client.get(f"/records/{stranded.id}/")
    batch = client.get("/batches/1/")

    assert 'href="/batches/1/"' in page.content.decode()
    assert "leaf 2 of the register, in batch 1" in read_text(page)
    assert "It commits again to the leaves of batch 1 of the register before" in read_text(batch)
    assert "leaf 2 of the register, in batch 1" in read_text(batch)
    assert str(stranded.id) in batch.content.decode()
    assert str(stranded.id) in client.get("/batches/1/?from=2").content.decode()
    assert str(stranded.id) not in client.get("/batches/1/?from=3").content.decode()


def test_the_checks_of_a_continued_batch_lead_to_its_new_commitment(
    client: Client, stranded: Record, successor: Register
):
    batch = Batch.objects.get(register=successor, seq=1)

    text = read_text(client.get(f"/records/{stranded.id}/"))

    assert bytes(batch.commitment).hex() in text
    assert "The root of 2 leaves, 1 step above this one" in text


def test_search_by_number_means_the_active_register_and_by_root_every_one(client: Client, successor: Register):
    root = bytes(Batch.objects.get(register=successor, seq=1).root).hex()

    number, found = client.get("/search", {"q": "1"}), client.get("/search", {"q": root})

    assert number.headers["Location"] == "/batches/1/"
    assert f'href="/batches/1/?register={OLD}"' in found.content.decode()
    assert 'href="/batches/1/"' in found.content.decode()


def test_search_finds_both_registers_by_their_first_outpoints(client: Client, successor: Register):
    assert client.get("/search", {"q": OLD}).headers["Location"] == f"/anchors/?register={OLD}"
    assert client.get("/search", {"q": f"{NEW_TXID}:1"}).headers["Location"] == "/anchors/"


@pytest.mark.parametrize("name", ["x", f"{'33' * 32}:0", f"{'11' * 32}:1", f"{'11' * 32}:99999999999"])
def test_a_register_that_is_not_there_is_not_found(client: Client, successor: Register, name: str):
    assert client.get("/anchors/", {"register": name}).status_code == 404
    assert client.get("/batches/0/", {"register": name}).status_code == 404


def test_the_home_page_counts_what_is_continued_once(client: Client, successor: Register):
    assert f"Records {Record.objects.count()}" in read_text(client.get("/"))


@pytest.mark.parametrize("state", [None, Anchor.State.SIGNED, Anchor.State.BROADCAST])
def test_what_another_batch_continues_keeps_the_server_from_being_well_no_more(
    stranded: Record, settings: Settings, state: Anchor.State | None
):
    """Passes if the health check waits for the new register's two batches only, however far the old register got with
    the one that it left, and is well once they are anchored."""
    if state is not None:
        make_anchor(state=state)
    settings.CADASTRE_ANCHOR_KEY = NEW_KEY.to_wif(REGTEST)
    node = NodeClient("http://cadastre:cadastre@127.0.0.1:1", transport=FoundingTransport())
    successor = succeed_register(old_outpoint=OLD, txid=NEW_TXID, vout=1, node=node, now=NOW)
    later = NOW + timedelta(days=30)
    FollowerState.objects.update_or_create(consumer=get_consumer(), defaults={"followed_at": later})

    facts = get_health(now=later)

    assert {queue.name: queue.count for queue in facts.waiting if queue.count} == {"batches": 2}
    assert [reason.code for reason in facts.reasons] == ["unanchored", "waiting"]
    for batch in successor.batches.all():
        Anchor.objects.create(batch=batch, state=Anchor.State.FINAL, height=1, block_hash="ab" * 32, changed_at=NOW)
    assert get_health(now=later).is_healthy
