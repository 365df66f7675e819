"""Further versions of anchors on every node: its own mempool is the judge of a replacement."""

import pytest
from pytest_django.fixtures import Settings

from chain.keys import Key
from chain.transactions import parse_transaction
from registry.models import Anchor, AnchorCoin
from registry.services.anchor_keys import get_anchor_keys
from tests.chain.contract.miners import Miner
from tests.chain.contract.peers import Peer
from tests.chain.contract.test_anchors import Registrar, current_of, found, state_of

pytestmark = [pytest.mark.own_engine, pytest.mark.django_db(transaction=True)]
DEADLINE = 2
State = Anchor.State


@pytest.fixture
def registrar(peer: Peer, miner: Miner, settings: Settings) -> Registrar:
    """Found a register with a key of its own, and a short deadline."""
    settings.CADASTRE_ANCHOR_DEADLINE_BLOCKS = DEADLINE
    return found(peer.client, miner, settings)


def pass_blocks(registrar: Registrar, count: int = DEADLINE) -> None:
    """Mine blocks that have nothing of the mempool, and follow."""
    registrar.miner.mine_branch(registrar.node.get_block_count(), count)
    registrar.follow()


def mine_with(registrar: Registrar, raw: bytes) -> str:
    """Mine a block on the tip with one transaction, whatever waits in the mempool, and follow."""
    block = registrar.miner.build(registrar.node.get_best_block_hash(), [raw])
    [block_hash] = registrar.miner.submit([block])
    registrar.follow()
    return block_hash


def test_an_overdue_anchor_is_replaced(registrar: Registrar):
    """Pass: the node lets the new version take the old one's place by its own rules, twice, and mines the last."""
    batch = registrar.seal()
    registrar.send()
    versions = [current_of(batch)]
    for _ in range(2):
        pass_blocks(registrar)
        assert registrar.send() == 1
        versions.append(current_of(batch))
    waiting = [registrar.node.get_mempool_entry(version.txid) is not None for version in versions]
    assert waiting == [False, False, True]
    registrar.mine()
    assert (state_of(batch), current_of(batch)) == (State.MINED, versions[-1])


def test_the_replaced_version_is_mined_under_a_child(registrar: Registrar):
    """Pass: once a longer branch has the parent's first version, the node takes the child's second, and mines it."""
    parent = registrar.seal()
    registrar.send()
    first = current_of(parent)
    pass_blocks(registrar)
    registrar.send()
    height = registrar.node.get_block_count()
    registrar.mine()
    child = registrar.seal()
    registrar.send()
    registrar.mine()
    assert parse_transaction(bytes(current_of(child).raw)).inputs[0].txid == current_of(parent).txid != first.txid
    fork = registrar.miner.build(registrar.node.get_block_hash(height), [bytes(first.raw)])
    registrar.miner.submit([fork, *registrar.miner.build_branch(fork, 3)])
    registrar.follow()
    assert (state_of(parent), current_of(parent)) == (State.MINED, first)
    assert state_of(child) == State.BROADCAST
    assert registrar.send() == 1
    registrar.mine(6)
    assert parse_transaction(bytes(current_of(child).raw)).inputs[0].txid == first.txid
    assert (state_of(parent), state_of(child)) == (State.FINAL, State.FINAL)


def test_a_coinbase_tops_up_an_anchor(registrar: Registrar):
    """Pass: a coin of the anchor key is merged once it is mature, and the node takes the transaction of two inputs."""
    key: Key = get_anchor_keys().payee
    registrar.miner.mine(1, script=key.script_pubkey)
    registrar.mine(99)
    batch = registrar.seal()
    assert registrar.send() == 1
    registrar.mine()
    inputs = parse_transaction(bytes(current_of(batch).raw)).inputs
    coin = AnchorCoin.objects.exclude(txid=registrar.register.first_txid).get()
    assert [item.txid for item in inputs] == [registrar.register.first_txid, coin.txid]
    assert coin.spent_txid == current_of(batch).txid
