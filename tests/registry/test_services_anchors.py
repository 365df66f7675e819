"""Anchoring on a real chain: the states, the stored bytes, restarts and reorganisations."""

from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from chain.keys import generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import parse_transaction
from registry.errors import AnchorFundsError, AnchorKeyMismatchError, AnchorKeyMissingError, AnchorRaceError
from registry.models import Anchor, AnchorTransaction, Batch
from registry.proof.transactions import read_anchor
from registry.services import anchors
from registry.services.batches import seal_batch
from registry.services.following import follow_chain
from tests.factories.registry import make_document_record
from tests.nodes import DevnodeProcess
from tests.registry.conftest import NOW, FoundedRegister


def seal() -> Batch:
    """Seal a batch of one record."""
    make_document_record(now=NOW)
    return seal_batch(now=NOW)


def get_current(batch: Batch) -> AnchorTransaction:
    """Return the version of a batch's anchor that counts."""
    return AnchorTransaction.objects.get(anchor__batch=batch)


def send(founded: FoundedRegister) -> int:
    """Run the sweep once."""
    return anchors.send_anchors(node=founded.node, now=NOW)


def test_an_anchor_goes_from_broadcast_to_final(founded: FoundedRegister):
    batch = seal()

    assert send(founded) == 1
    anchor = Anchor.objects.get(batch=batch)
    assert anchor.state == Anchor.State.BROADCAST
    founded.mine(1)
    anchor.refresh_from_db()
    assert anchor.state == Anchor.State.MINED
    founded.mine(4)
    anchor.refresh_from_db()
    assert anchor.state == Anchor.State.MINED
    founded.mine(1)
    anchor.refresh_from_db()
    assert anchor.state == Anchor.State.FINAL


def test_the_transaction_has_the_anchors_grammar(founded: FoundedRegister):
    batch = seal()
    send(founded)

    raw = bytes(get_current(batch).raw)

    parsed = parse_transaction(raw)
    assert read_anchor(raw).commitment == bytes(batch.commitment)
    assert (parsed.inputs[0].txid, parsed.inputs[0].vout) == (
        founded.register.first_txid,
        founded.register.first_vout,
    )
    assert (parsed.version, parsed.inputs[0].sequence) == (2, 0xFFFFFFFD)
    assert parsed.lock_time == founded.node.get_block_count()


def test_the_next_anchor_spends_the_last_ones_continuation(founded: FoundedRegister):
    first = seal()
    send(founded)
    founded.mine(1)
    second = seal()

    send(founded)

    txid = get_current(first).txid
    spent = parse_transaction(bytes(get_current(second).raw)).inputs
    assert [(item.txid, item.vout) for item in spent] == [(txid, 0)]


def test_only_one_anchor_is_in_flight(founded: FoundedRegister):
    seal()
    send(founded)
    seal()

    assert send(founded) == 0
    assert Anchor.objects.count() == 1
    founded.mine(1)
    assert send(founded) == 1


def test_a_restart_sends_the_same_bytes(founded: FoundedRegister):
    batch = seal()
    anchors.sign_anchor(batch=batch, node=founded.node, now=NOW)
    raw = bytes(get_current(batch).raw)

    assert send(founded) == 1
    assert AnchorTransaction.objects.count() == 1
    assert bytes(AnchorTransaction.objects.get().raw) == raw
    assert founded.node.get_mempool_entry(get_current(batch).txid) is not None


def test_an_anchor_that_was_mined_unseen_is_not_sent_twice(founded: FoundedRegister):
    batch = seal()
    anchor = anchors.sign_anchor(batch=batch, node=founded.node, now=NOW)
    founded.node.send_raw_transaction(bytes(get_current(batch).raw))
    founded.wallet.mine(1)

    assert send(founded) == 0
    follow_chain(node=founded.node, now=NOW)
    anchor.refresh_from_db()
    assert anchor.state == Anchor.State.MINED


def test_two_workers_sign_one_anchor(founded: FoundedRegister):
    batch = seal()
    anchors.sign_anchor(batch=batch, node=founded.node, now=NOW)

    with pytest.raises(AnchorRaceError):
        anchors.sign_anchor(batch=batch, node=founded.node, now=NOW)
    assert AnchorTransaction.objects.count() == 1


def test_refuses_a_key_that_the_last_anchor_does_not_pay(founded: FoundedRegister, settings: Settings):
    seal()
    settings.CADASTRE_ANCHOR_KEY = generate_key().to_wif(REGTEST)

    with pytest.raises(AnchorKeyMismatchError):
        send(founded)
    assert not Anchor.objects.exists()


def test_a_refused_fee_is_raised_in_another_version_with_the_same_commitment(
    founded: FoundedRegister, settings: Settings
):
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 100
    batch = seal()
    assert send(founded) == 0
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 2_000

    assert send(founded) == 1  # refused once more, signed anew, and sent

    first, second = AnchorTransaction.objects.filter(anchor__batch=batch).order_by("version")
    assert read_anchor(bytes(first.raw)).commitment == read_anchor(bytes(second.raw)).commitment
    assert parse_transaction(bytes(first.raw)).inputs[0].txid == parse_transaction(bytes(second.raw)).inputs[0].txid
    assert Anchor.objects.get(batch=batch).current == second
    founded.mine(1)
    assert Anchor.objects.get(batch=batch).state == Anchor.State.MINED


def test_a_reorganisation_makes_a_final_anchor_broadcast_again(
    devnode: DevnodeProcess, found: Callable[[DevnodeProcess], FoundedRegister]
):
    founded = found(devnode)
    batch = seal()
    send(founded)
    first_block, *_ = founded.mine(6)
    anchor = Anchor.objects.get(batch=batch)
    assert anchor.state == Anchor.State.FINAL

    founded.node.invalidate_block(first_block)
    devnode.kill()  # The mempool forgets the anchor, so that the competing block does not have it.
    devnode.start()
    founded.mine(1)

    anchor.refresh_from_db()
    assert (anchor.state, anchor.height, anchor.block_hash) == (Anchor.State.BROADCAST, None, "")
    send(founded)
    founded.mine(1)
    anchor.refresh_from_db()
    assert anchor.state == Anchor.State.MINED


def test_a_node_that_forgot_the_mempool_gets_the_anchor_again(
    devnode: DevnodeProcess, found: Callable[[DevnodeProcess], FoundedRegister], settings: Settings
):
    founded = found(devnode)
    batch = seal()
    send(founded)
    txid = get_current(batch).txid
    devnode.kill()
    devnode.start()
    node = devnode.client
    assert node.get_mempool_entry(txid) is None

    assert anchors.send_anchors(node=node, now=NOW) == 1
    assert node.get_mempool_entry(txid) is not None


def test_says_when_the_funds_do_not_pay_for_another_anchor(founded: FoundedRegister, settings: Settings):
    batch = seal()
    batch.register.first_value_sat = 400  # as if the first output had been worth no more

    with pytest.raises(AnchorFundsError, match="400 sat left"):
        anchors.sign_anchor(batch=batch, node=founded.node, now=NOW)
    assert not Anchor.objects.exists()


def test_says_when_there_is_no_anchor_key(founded: FoundedRegister, settings: Settings):
    seal()
    settings.CADASTRE_ANCHOR_KEY = ""

    with pytest.raises(AnchorKeyMissingError):
        send(founded)


def test_the_lock_time_is_never_above_the_nodes_own_tip(founded: FoundedRegister, settings: Settings):
    """Passes if a node that has fewer blocks than were followed could take the anchor at once."""

    class NodeBehind(NodeClient):
        """A client of a node that lacks the last three blocks."""

        def get_block_count(self) -> int:
            """Return a lower height."""
            return super().get_block_count() - 3

    batch = seal()

    anchors.sign_anchor(batch=batch, node=NodeBehind(settings.CADASTRE_NODE_URL), now=NOW)

    assert parse_transaction(bytes(get_current(batch).raw)).lock_time == founded.node.get_block_count() - 3


def test_a_machine_without_a_key_sends_what_another_signed(founded: FoundedRegister, settings: Settings):
    batch = seal()
    anchors.sign_anchor(batch=batch, node=founded.node, now=NOW)
    settings.CADASTRE_ANCHOR_KEY = ""

    assert send(founded) == 1
    assert Anchor.objects.get(batch=batch).state == Anchor.State.BROADCAST


def test_a_batch_is_not_anchored_before_the_one_before_it(founded: FoundedRegister):
    seal()
    second = seal()

    with pytest.raises(AnchorRaceError):
        anchors.sign_anchor(batch=second, node=founded.node, now=NOW)
    assert not Anchor.objects.exists()


def test_a_refused_transaction_stays_stored_and_is_reported(founded: FoundedRegister, settings: Settings, caplog):
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 100
    batch = seal()

    assert send(founded) == 0
    assert send(founded) == 0

    assert Anchor.objects.get(batch=batch).state == Anchor.State.SIGNED
    assert AnchorTransaction.objects.count() == 1  # another version would be the same
    assert "was refused" in caplog.text
