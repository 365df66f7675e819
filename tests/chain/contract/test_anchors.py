"""Anchors on every node: the same scenarios, from the founding of a register to reorganisations around its anchors."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chain.errors import NodeBehindError, ReorganisationTooDeepError
from chain.keys import generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import parse_transaction
from registry.models import Anchor, AnchorTransaction, Batch, Register
from registry.proof.transactions import read_anchor
from registry.services.anchors import send_anchors
from registry.services.batches import seal_batch
from registry.services.following import follow_chain
from registry.services.founding import find_first_outpoint, found_register
from tests.chain.contract.miners import Miner
from tests.chain.contract.peers import DevnodePeer, Peer, running
from tests.factories.registry import make_document_record
from tests.nodes import copy_chain

pytestmark = [pytest.mark.own_engine, pytest.mark.django_db(transaction=True)]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
State = Anchor.State


@dataclass
class Registrar:
    """A founded register on one node."""

    node: NodeClient
    miner: Miner
    register: Register

    def seal(self) -> Batch:
        """Seal a batch of one record."""
        make_document_record(now=NOW)
        return seal_batch(now=NOW)

    def send(self) -> int:
        """Run the sweep that signs and sends."""
        return send_anchors(node=self.node, now=NOW)

    def follow(self) -> int:
        """Run the sweep that follows."""
        return follow_chain(node=self.node, now=NOW)

    def mine(self, count: int = 1) -> list[str]:
        """Mine what waits, and follow."""
        hashes = self.miner.mine(count)
        self.follow()
        return hashes

    def reorganise(self, depth: int) -> None:
        """Replace the last blocks by a longer branch that has none of the transactions, and follow."""
        self.miner.mine_branch(self.node.get_block_count() - depth, depth + 1)
        self.follow()


@pytest.fixture
def registrar(peer: Peer, miner: Miner, settings: Settings) -> Registrar:
    """Found a register with a key of its own."""
    return found(peer.client, miner, settings)


def found(node: NodeClient, miner: Miner, settings: Settings) -> Registrar:
    """Mine the register's first output, let it ripen, and found the register."""
    key = generate_key()
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)
    settings.CADASTRE_CHAIN_START_HEIGHT = node.get_block_count()
    miner.mine(1, script=key.script_pubkey)
    miner.mine(120)
    outpoint = find_first_outpoint(node=node)
    assert outpoint is not None
    register = found_register(txid=outpoint[0], vout=outpoint[1], node=node, now=NOW)
    registrar = Registrar(node, miner, register)
    registrar.follow()
    return registrar


def state_of(batch: Batch) -> str:
    """Return the state of a batch's anchor."""
    return str(Anchor.objects.get(batch=batch).state)


def current_of(batch: Batch) -> AnchorTransaction:
    """Return the version of a batch's anchor that counts."""
    current = Anchor.objects.select_related("current").get(batch=batch).current
    assert current is not None
    return current


def test_a_batch_is_anchored_mined_and_final(registrar: Registrar):
    """Pass: the node takes the anchor, the block that has it is found by following, six blocks make it final, and the
    node gives back the very bytes that were stored."""
    batch = registrar.seal()
    assert registrar.send() == 1
    assert state_of(batch) == State.BROADCAST
    txid, raw = current_of(batch).txid, bytes(current_of(batch).raw)
    entry = registrar.node.get_mempool_entry(txid)
    assert entry is not None
    assert entry.fee_sat == current_of(batch).fee_sat
    assert registrar.send() == 0  # the node has it
    block = registrar.mine()[0]
    anchor = Anchor.objects.get(batch=batch)
    assert (anchor.state, anchor.block_hash, anchor.height) == (State.MINED, block, registrar.node.get_block_count())
    assert registrar.node.get_raw_transaction(txid, block_hash=block) == raw
    registrar.mine(5)
    assert state_of(batch) == State.FINAL
    assert read_anchor(raw).commitment == bytes(batch.commitment)


def test_anchors_spend_one_another(registrar: Registrar):
    """Pass: three anchors are one chain of spends from the first outpoint, each taken and mined by the node."""
    batches = []
    for _ in range(3):
        batches.append(registrar.seal())
        assert registrar.send() == 1
        registrar.mine()
    spent = [parse_transaction(bytes(current_of(batch).raw)).inputs[0] for batch in batches]
    assert [(item.txid, item.vout) for item in spent] == [
        (registrar.register.first_txid, registrar.register.first_vout),
        (current_of(batches[0]).txid, 0),
        (current_of(batches[1]).txid, 0),
    ]
    assert [state_of(batch) for batch in batches] == [State.MINED] * 3


@pytest.mark.parametrize("depth", [1, 6, 12, 100])
def test_a_reorganisation_around_an_anchor_loses_nothing(registrar: Registrar, depth: int):
    """Pass: a longer branch without the anchor takes it back to BROADCAST, FINAL or not; the node has it, or gets the
    same bytes again; it is mined once more and final once more."""
    batch = registrar.seal()
    registrar.send()
    txid = current_of(batch).txid
    registrar.mine(depth)
    assert state_of(batch) == (State.FINAL if depth >= 6 else State.MINED)
    registrar.reorganise(depth)
    anchor = Anchor.objects.get(batch=batch)
    assert (anchor.state, anchor.height, anchor.block_hash) == (State.BROADCAST, None, "")
    registrar.send()
    assert registrar.node.get_mempool_entry(txid) is not None
    registrar.mine(6)
    assert (state_of(batch), current_of(batch).txid) == (State.FINAL, txid)


def test_a_reorganisation_that_is_too_deep_changes_nothing(registrar: Registrar):
    """Pass: 101 blocks are not undone; the anchor stays as it was, and nothing is sent for it."""
    batch = registrar.seal()
    registrar.send()
    registrar.mine(101)
    with pytest.raises(ReorganisationTooDeepError, match="101 blocks deep"):
        registrar.reorganise(101)
    assert state_of(batch) == State.FINAL
    assert registrar.send() == 0


def test_blocks_that_are_invalidated_and_reconsidered_come_back(registrar: Registrar):
    """Pass: on the shorter chain nothing is undone, for the node may be catching up; on a longer one the anchor waits;
    on the first chain it is where it was."""
    batch = registrar.seal()
    registrar.send()
    first, *_ = registrar.mine(3)
    height = registrar.node.get_block_count()
    registrar.node.invalidate_block(first)
    with pytest.raises(NodeBehindError):
        registrar.follow()
    assert state_of(batch) == State.MINED
    registrar.miner.mine_branch(height - 3, 4)
    registrar.follow()
    assert state_of(batch) == State.BROADCAST
    branch = registrar.node.get_block_hash(height - 2)
    registrar.node.reconsider_block(first)
    registrar.node.invalidate_block(branch)
    tip = registrar.node.get_block(registrar.node.get_best_block_hash())
    registrar.miner.submit(registrar.miner.build_branch(tip, 2))
    registrar.follow()
    anchor = Anchor.objects.get(batch=batch)
    assert (anchor.state, anchor.block_hash) == (State.MINED, first)


def test_a_node_that_forgot_its_mempool_gets_the_anchor_again(registrar: Registrar, peer: Peer):
    """Pass: after a start without a mempool the same bytes are sent once more, and mined."""
    batch = registrar.seal()
    registrar.send()
    peer.forget_mempool()
    assert registrar.node.get_mempool_entry(current_of(batch).txid) is None
    assert registrar.send() == 1
    assert registrar.node.get_raw_transaction(current_of(batch).txid) == bytes(current_of(batch).raw)
    registrar.mine()
    assert state_of(batch) == State.MINED
    assert AnchorTransaction.objects.count() == 1


def test_an_anchor_that_was_mined_unseen_is_found_and_not_sent(registrar: Registrar):
    """Pass: the node's refusal of a mined transaction is understood, and following finds its block."""
    batch = registrar.seal()
    registrar.send()
    registrar.miner.mine()
    assert registrar.send() == 0
    assert state_of(batch) == State.BROADCAST
    registrar.follow()
    assert state_of(batch) == State.MINED


def test_a_node_of_another_make_takes_over(registrar: Registrar, tmp_path: Path):
    """Pass: a development node that is fed the same blocks is followed on from the last one; it gets the anchor that
    waited on the first node, mines it, and the first node's chain follows when it is fed the block."""
    batch = registrar.seal()
    registrar.send()
    first = registrar.node
    with running(DevnodePeer(tmp_path / "second")) as second:
        copy_chain(first, second.client)
        other = Registrar(second.client, Miner(second.client), registrar.register)
        assert other.follow() == 0
        assert other.send() == 1
        other.mine(2)
        assert state_of(batch) == State.MINED
        with pytest.raises(NodeBehindError):
            registrar.follow()
        copy_chain(second.client, first)
    assert registrar.follow() == 0
    registrar.mine(4)
    assert state_of(batch) == State.FINAL
