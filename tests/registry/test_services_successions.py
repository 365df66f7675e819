"""Succession: a new register cites one whose key was lost, and takes over what that one never anchored."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError
from django.test import Client
from pytest_django.fixtures import Settings

from chain.keys import generate_key
from chain.networks import REGTEST
from registry import tasks
from registry.errors import FirstOutpointError, RegisterMissingError, SuccessionError
from registry.models import Anchor, Batch, Record, Register
from registry.proof import commitments
from registry.selectors.batches import get_batch_fields, get_oldest_unanchored_at
from registry.selectors.pieces import iterate_pieces
from registry.selectors.proofs import iterate_anchors_file
from registry.selectors.records import find_place, get_record, get_state, list_batch_records
from registry.selectors.registers import find_register, find_succession, get_register, get_register_at
from registry.services.batches import open_batch, seal_batch, seal_due_batches
from registry.services.founding import find_first_outpoint
from registry.services.successions import continue_lost_batches, succeed_register
from tests.factories.registry import make_document_record
from tests.nodes import DevnodeProcess
from tests.registry.anchoring import Anchoring, get_current
from tests.registry.conftest import NOW, FoundedRegister

State = Anchor.State


@pytest.fixture
def anchoring(devnode: DevnodeProcess, own: FoundedRegister) -> Anchoring:
    """A register on a node of the test's own."""
    return Anchoring(own, devnode)


@pytest.fixture
def old(anchoring: Anchoring) -> Register:
    """The register that is succeeded."""
    return anchoring.founded.register


def lose_key(anchoring: Anchoring, settings: Settings) -> tuple[str, int]:
    """Replace the lost anchor key by another, pay it, and return the outpoint once it is deep enough."""
    key = generate_key()
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)
    settings.CADASTRE_CHAIN_START_HEIGHT = anchoring.node.get_block_count()
    anchoring.node.generate_to_address(1, key.address(REGTEST))
    anchoring.mine(100)
    outpoint = find_first_outpoint(node=anchoring.node)
    assert outpoint is not None
    return outpoint


def succeed(anchoring: Anchoring, old: Register, outpoint: tuple[str, int]) -> Register:
    """Found the register that succeeds the old one."""
    name = f"{old.first_txid}:{old.first_vout}"
    return succeed_register(old_outpoint=name, txid=outpoint[0], vout=outpoint[1], node=anchoring.node, now=NOW)


def read_document(record: Record) -> dict[str, object]:
    """Return what a record's document says, without its salt."""
    document: dict[str, object] = json.loads(bytes(record.document or b""))
    del document["salt"]
    return document


def test_the_new_register_cites_the_old_one_first_of_all(anchoring: Anchoring, old: Register, settings: Settings):
    last = anchoring.anchor()

    register = succeed(anchoring, old, lose_key(anchoring, settings))

    assert find_register() == register
    succession = find_succession(register)
    assert succession is not None
    assert (succession.succeeds, succession.is_proven) == (old, False)
    assert read_document(succession.record) == {
        "type": "cadastre/succession/v1",
        "network": "regtest",
        "first_outpoint": f"{old.first_txid}:{old.first_vout}",
        "last_seq": "0",
        "last_commitment": bytes(last.batch.commitment).hex(),
        "continued": [],
    }
    batch = Batch.objects.get(register=register)
    assert (batch.seq, batch.first_index, batch.size) == (0, 0, 1)
    assert bytes(batch.commitment) == commitments.commitment_hash(get_batch_fields(batch))


def test_what_was_sealed_and_never_anchored_is_anchored_by_the_new_register(
    anchoring: Anchoring, old: Register, settings: Settings, tmp_path: Path
):
    """Passes if every record of the old register has a proof: those that it anchored against its own anchors file,
    those that it only sealed, and those that waited, against the new register's."""
    anchoring.anchor()
    anchored = list(anchoring.records)
    stranded_records = [make_document_record(now=NOW) for _ in range(3)]
    stranded = seal_batch(now=NOW)
    waiting = make_document_record(now=NOW)

    register = succeed(anchoring, old, lose_key(anchoring, settings))

    continued = Batch.objects.get(register=register, seq=1)
    assert (continued.continues, continued.first_index, continued.size) == (stranded, 1, 3)
    assert bytes(continued.root) == bytes(stranded.root)
    assert bytes(continued.commitment) != bytes(stranded.commitment)
    assert [record.id for record in list_batch_records(continued)] == [record.id for record in stranded_records]
    assert list(iterate_pieces(continued)) == list(iterate_pieces(stranded))
    assert get_state(get_record(stranded_records[0].id)) == "SEALED"
    for _ in range(20):
        seal_due_batches(now=NOW)
        anchoring.sweep()
        anchoring.mine(1)
    place = find_place(get_record(stranded_records[2].id))
    assert place is not None
    assert (place.batch, place.index) == (continued, 3)
    for record in [*stranded_records, waiting]:
        anchoring.verify(record, tmp_path)
    for record in anchored:
        anchoring.verify(record, tmp_path, register=old)
    assert get_oldest_unanchored_at() is None
    assert max(anchoring.count_published().values()) == 1


def test_an_anchor_of_the_old_register_that_is_mined_later_counts_too(
    anchoring: Anchoring, old: Register, settings: Settings, tmp_path: Path
):
    """Passes if an anchor that was in flight at the succession is mined by the old register's bytes, its records have
    proofs in both registers, and no commitment is in the chain twice."""
    batch = anchoring.seal()
    anchoring.sweep()
    anchoring.forget()
    outpoint = lose_key(anchoring, settings)

    register = succeed(anchoring, old, outpoint)
    anchoring.sweep()
    anchoring.mine(1)

    assert Anchor.objects.get(batch=batch).state == State.MINED
    for _ in range(12):
        anchoring.sweep()
        anchoring.mine(1)
    assert Anchor.objects.filter(batch__register=register, state=State.FINAL).count() == 2
    record = anchoring.records[0]
    anchoring.verify(record, tmp_path)
    place = find_place(get_record(record.id))
    assert place is not None
    assert place.batch.continues == batch
    assert len(list(iterate_anchors_file(old))) == 2
    assert max(anchoring.count_published().values()) == 1


def test_a_second_succession_takes_over_what_the_first_did_not_anchor(
    anchoring: Anchoring, old: Register, settings: Settings, tmp_path: Path
):
    anchoring.seal()
    second = succeed(anchoring, old, lose_key(anchoring, settings))
    third = succeed(anchoring, second, lose_key(anchoring, settings))

    anchoring.settle()

    place = find_place(get_record(anchoring.records[0].id))
    assert place is not None
    assert place.batch.register == third
    anchoring.verify(anchoring.records[0], tmp_path)


def test_the_old_registers_batches_are_not_anchored_any_more(anchoring: Anchoring, old: Register, settings: Settings):
    anchoring.seal()
    succeed(anchoring, old, lose_key(anchoring, settings))

    for _ in range(3):
        anchoring.sweep()
        anchoring.mine(1)

    assert not Anchor.objects.filter(batch__register=old).exists()


def test_an_anchor_that_cannot_be_mined_after_the_succession_is_not_lost(
    anchoring: Anchoring, old: Register, settings: Settings, tmp_path: Path
):
    """Passes if, of two anchors of the old register that a reorganisation undoes, the one that the new branch has in
    another version counts, and the batch of the one built on it, which nobody can sign anew, is anchored by the new
    register; and nothing is continued before or twice."""
    settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS = 2
    key = settings.CADASTRE_ANCHOR_KEY
    outpoint = lose_key(anchoring, settings)
    settings.CADASTRE_ANCHOR_KEY, new_key = key, settings.CADASTRE_ANCHOR_KEY
    batch = anchoring.seal()
    anchoring.sweep()
    before, _ = anchoring.replace(Anchor.objects.get(batch=batch), deadline=2)
    [block] = anchoring.mine(1)
    child = anchoring.anchor()
    settings.CADASTRE_ANCHOR_KEY = new_key
    register = succeed(anchoring, old, outpoint)
    assert continue_lost_batches(now=NOW) == 0

    anchoring.fork(block, count=4, versions=(before,))
    anchoring.sweep()
    child.refresh_from_db()
    assert (Anchor.objects.get(batch=batch).current, child.height) == (before, None)
    tasks.seal_batches_task()

    continued = Batch.objects.get(register=register, continues=child.batch)
    assert continue_lost_batches(now=NOW) == 0
    anchoring.settle()
    place = find_place(get_record(anchoring.records[1].id))
    assert place is not None
    assert place.batch == continued
    anchoring.verify(anchoring.records[1], tmp_path)
    anchoring.verify(anchoring.records[0], tmp_path, register=old)


def test_an_anchor_that_no_block_takes_again_after_the_succession_is_not_lost(
    anchoring: Anchoring, old: Register, settings: Settings, tmp_path: Path
):
    """Passes if an old register's anchor that was undone is left to be mined until its deadline, and only then is its
    batch continued, once no batch is OPEN."""
    settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS = 2
    key = settings.CADASTRE_ANCHOR_KEY
    outpoint = lose_key(anchoring, settings)
    settings.CADASTRE_ANCHOR_KEY, new_key = key, settings.CADASTRE_ANCHOR_KEY
    anchor = anchoring.anchor()
    settings.CADASTRE_ANCHOR_KEY = new_key
    register = succeed(anchoring, old, outpoint)
    anchoring.fork(anchor.block_hash, count=3)
    anchoring.follow()
    anchoring.sweep()
    assert continue_lost_batches(now=NOW) == 0

    anchoring.forget()
    anchoring.mine(2)
    make_document_record(now=NOW)
    open_batch(now=NOW)
    assert continue_lost_batches(now=NOW) == 0
    seal_batch(now=NOW)
    assert continue_lost_batches(now=NOW) == 1
    assert continue_lost_batches(now=NOW) == 0

    assert Batch.objects.get(continues=anchor.batch).register == register
    anchoring.settle()
    anchoring.verify(anchoring.records[0], tmp_path)


def test_a_register_that_succeeds_none_continues_nothing(old: Register):
    assert continue_lost_batches(now=NOW) == 0


def test_refuses_to_succeed_a_register_whose_key_is_at_hand(anchoring: Anchoring, old: Register):
    with pytest.raises(SuccessionError, match="is at hand"):
        succeed(anchoring, old, ("00" * 32, 0))


def test_refuses_to_succeed_another_register_than_the_active_one(
    anchoring: Anchoring, old: Register, settings: Settings
):
    outpoint = lose_key(anchoring, settings)

    with pytest.raises(SuccessionError, match="The active register is"):
        succeed_register(old_outpoint="00" * 32 + ":0", txid=outpoint[0], vout=0, node=anchoring.node, now=NOW)


def test_refuses_to_succeed_while_a_batch_is_being_sealed(anchoring: Anchoring, old: Register, settings: Settings):
    outpoint = lose_key(anchoring, settings)
    make_document_record(now=NOW)
    open_batch(now=NOW)

    with pytest.raises(SuccessionError, match="being sealed"):
        succeed(anchoring, old, outpoint)
    assert find_register() == old


def test_refuses_an_output_that_cannot_found_a_register(anchoring: Anchoring, old: Register, settings: Settings):
    lose_key(anchoring, settings)

    with pytest.raises(FirstOutpointError):
        succeed(anchoring, old, ("00" * 32, 0))


def test_a_register_is_succeeded_once(anchoring: Anchoring, old: Register, settings: Settings):
    outpoint = lose_key(anchoring, settings)
    succeed(anchoring, old, outpoint)

    with pytest.raises(SuccessionError, match="The active register is"):
        succeed(anchoring, old, outpoint)
    with pytest.raises(IntegrityError):
        Register.objects.create(
            network="regtest",
            first_txid="22" * 32,
            first_vout=0,
            first_value_sat=1,
            first_script=b"",
            founded_at=NOW,
            succeeds=old,
        )


def test_the_command_succeeds_the_register_that_is_named(anchoring: Anchoring, old: Register, settings: Settings):
    txid, vout = lose_key(anchoring, settings)
    output = StringIO()

    with pytest.raises(CommandError, match="The active register is"):
        call_command("found_register", "--succeeds", f"{'00' * 32}:0")
    call_command("found_register", "--succeeds", f"{old.first_txid}:{old.first_vout}", stdout=output)

    assert f"regtest:{txid}:{vout}" in output.getvalue()
    assert get_register().succeeds == old


def test_both_anchors_files_can_be_had(anchoring: Anchoring, old: Register, settings: Settings, client: Client):
    """Passes if the API gives the active register's file, the old one's by its first outpoint, and no other."""
    txid = get_current(anchoring.anchor().batch).txid
    succeed(anchoring, old, lose_key(anchoring, settings))
    address = "/api/v1/anchors"

    active = client.get(address).getvalue()
    before = client.get(address, {"register": f"{old.first_txid}:{old.first_vout}"}).getvalue()

    assert len(active.splitlines()) == 1
    assert len(before.splitlines()) == 2
    assert bytes.fromhex(txid)[::-1].hex() not in active.decode()
    assert client.get(address, {"register": "00" * 32 + ":0"}).status_code == 404
    assert client.get(address, {"register": "nonsense"}).status_code == 400


def test_a_register_without_a_predecessor_has_no_succession(old: Register):
    assert find_succession(old) is None
    assert get_register_at(txid=old.first_txid, vout=old.first_vout) == old
    with pytest.raises(RegisterMissingError, match="no register with this first outpoint"):
        get_register_at(txid=old.first_txid, vout=7)
