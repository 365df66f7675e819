"""Registers of several networks in one database: neither sees the other's anchors, coins or blocks."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chain.follower import find_tip
from chain.models import FollowedBlock
from chain.networks import SIGNET
from registry.errors import RegisterMissingError
from registry.models import Anchor, AnchorCoin, AnchorScript, AnchorTransaction, Batch, Register
from registry.selectors.batches import get_oldest_unanchored_at
from registry.selectors.funds import get_anchor_funds, get_spent_today
from registry.selectors.records import list_batches
from registry.selectors.registers import find_register, get_consumer, get_register
from registry.services.batches import seal_batch, seal_due_batches
from tests.factories.registry import make_document_record
from tests.nodes import DevnodeProcess
from tests.registry.anchoring import Anchoring
from tests.registry.conftest import NOW, FoundedRegister

State = Anchor.State


@pytest.fixture
def anchoring(devnode: DevnodeProcess, own: FoundedRegister) -> Anchoring:
    """A register of regtest on a node of the test's own."""
    return Anchoring(own, devnode)


@pytest.fixture
def signet(anchoring: Anchoring) -> Anchor:
    """A register of signet in the same database, with an anchor in flight, a coin, and blocks of its own."""
    register = Register.objects.create(
        network=SIGNET.name,
        first_txid="77" * 32,
        first_vout=0,
        first_value_sat=5_000,
        first_script=anchoring.founded.register.first_script,
        founded_at=NOW,
    )
    AnchorScript.objects.create(register=register, script=register.first_script, added_at=NOW)
    batch = Batch.objects.create(
        register=register,
        seq=0,
        first_index=0,
        size=1,
        size_final=1,
        state=Batch.State.SEALED,
        previous_commitment=bytes(32),
        opened_at=NOW,
        root=b"r" * 32,
        subtree_roots=b"r" * 32,
        recent_block_hash="88" * 32,
        commitment=b"c" * 32,
        sealed_at=NOW,
    )
    anchor = Anchor.objects.create(batch=batch, state=State.BROADCAST, changed_at=NOW)
    anchor.current = AnchorTransaction.objects.create(
        anchor=anchor, version=0, txid="99" * 32, raw=b"", fee_sat=1_000_000, continuation_sat=294, signed_at=NOW
    )
    anchor.save()
    AnchorCoin.objects.create(
        network=SIGNET.name,
        txid="aa" * 32,
        vout=0,
        value_sat=10**9,
        script=register.first_script,
        is_coinbase=False,
        height=1,
        block_hash="bb" * 32,
    )
    FollowedBlock.objects.create(
        consumer="registry:signet", height=0, hash=SIGNET.genesis_hash, previous_hash="00" * 32
    )
    return anchor


def test_anchors_of_another_network_neither_stop_nor_pay_for_ours(anchoring: Anchoring, signet: Anchor, tmp_path: Path):
    """Passes if a batch becomes final on regtest while signet's anchor waits, spends nothing of signet's coins and
    counts nothing of its fees, and signet's rows stay as they were."""
    anchoring.records.append(make_document_record(now=NOW))
    assert seal_due_batches(now=NOW) == 1
    anchoring.settle()

    anchor = Anchor.objects.get(batch__register=anchoring.founded.register)
    assert anchor.current is not None
    assert get_spent_today(now=NOW) == anchor.current.fee_sat
    assert get_anchor_funds(now=NOW).top_ups_sat == 0
    assert get_oldest_unanchored_at() is None
    assert [batch.register.network for batch in list_batches()] == ["regtest"]
    signet.refresh_from_db()
    assert (signet.state, signet.height) == (State.BROADCAST, None)
    tip = find_tip("registry:signet")
    assert tip is not None
    assert tip.height == 0
    anchoring.verify(anchoring.records[0], tmp_path)


def test_a_reorganisation_moves_the_anchors_of_its_network_only(anchoring: Anchoring, signet: Anchor):
    Anchor.objects.filter(id=signet.id).update(state=State.FINAL, height=10**6, block_hash="bb" * 32)
    anchor = anchoring.anchor()

    anchoring.fork(anchor.block_hash, count=3)
    anchoring.follow()

    signet.refresh_from_db()
    assert signet.state == State.FINAL
    anchor.refresh_from_db()
    assert anchor.state == State.BROADCAST


def test_the_settings_say_which_register_is_meant(anchoring: Anchoring, signet: Anchor, settings: Settings):
    assert get_register() == anchoring.founded.register
    settings.CADASTRE_NETWORK = "signet"

    assert (get_register(), get_consumer()) == (signet.batch.register, "registry:signet")
    assert get_oldest_unanchored_at() is None
    settings.CADASTRE_NETWORK = "testnet4"
    assert find_register() is None
    make_document_record(now=NOW)
    with pytest.raises(RegisterMissingError):
        seal_batch(now=NOW)
    with pytest.raises(RegisterMissingError):
        get_anchor_funds(now=NOW)
