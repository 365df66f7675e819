"""The contract of the node client's calls: every node must pass it, and where one differs, the difference is pinned.

docs/reference/nodes.md has the same differences in words.
"""

import threading

import pytest

from chain.errors import (
    NodeAuthenticationError,
    NodeRejectedError,
    TransactionAlreadyKnownError,
    TransactionMissingInputsError,
    TransactionRejectedError,
)
from chain.keys import generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.node_refusals import RPC_DESERIALIZATION_ERROR, RPC_INVALID_ADDRESS_OR_KEY, RPC_METHOD_NOT_FOUND
from chain.transactions import Coin, Output, block_hash, parse_block, transaction_id, virtual_size
from registry.proof.transactions import commitment_script
from tests.chain.contract.miners import Miner
from tests.chain.contract.peers import Peer

pytestmark = pytest.mark.own_engine
UNKNOWN = "11" * 32
STRANGER = generate_key().script_pubkey


def test_the_chain_is_described(peer: Peer, miner: Miner):
    miner.mine(3)
    node = peer.client
    info = node.get_blockchain_info()
    assert info.chain == "regtest"
    assert info.blocks == node.get_block_count() == info.headers
    assert info.best_block_hash == node.get_best_block_hash() == node.get_block_hash(info.blocks)
    assert (info.pruned, info.prune_height) == (False, None)
    assert info.is_initial_block_download is (None if peer.kind == "btcd" else False)


def test_the_genesis_block_is_the_networks(peer: Peer):
    assert peer.client.get_block_hash(0) == REGTEST.genesis_hash
    header = peer.client.get_block_header(REGTEST.genesis_hash)
    assert (header.height, header.previous_hash) == (0, None)
    assert header.confirmations == peer.client.get_block_count() + 1


@pytest.mark.parametrize("above", [1, 1_000_000])
def test_there_is_no_block_above_the_tip(peer: Peer, above: int):
    node = peer.client
    assert node.find_block_hash(node.get_block_count() + above) is None
    with pytest.raises(NodeRejectedError):
        node.get_block_hash(node.get_block_count() + above)


def test_a_block_is_found_by_its_hash(peer: Peer, miner: Miner):
    below, found = miner.mine(2)
    block = parse_block(peer.client.get_block(found))
    header = peer.client.get_block_header(found)
    assert (block.hash, block.previous_hash, block.height) == (found, below, peer.client.get_block_count())
    assert (header.raw, header.height, header.previous_hash) == (block.header, block.height, below)
    assert (header.confirmations, header.time) == (1, block.time)
    assert peer.client.get_raw_header(found) == block.header
    assert peer.client.get_block_header(below).confirmations == 2


def test_an_unknown_block_is_none(peer: Peer):
    assert peer.client.find_block_header(UNKNOWN) is None
    assert peer.client.find_block(UNKNOWN) is None
    for call in (peer.client.get_block, peer.client.get_block_header, peer.client.get_raw_header):
        with pytest.raises(NodeRejectedError) as refused:
            call(UNKNOWN)
        assert refused.value.code == RPC_INVALID_ADDRESS_OR_KEY


def test_a_block_that_lost_is_still_known(peer: Peer, miner: Miner):
    lost = miner.mine(3)
    height = peer.client.get_block_count()
    miner.mine_branch(height - 3, 4)
    assert peer.client.get_block_count() == height + 1
    for distance, found in enumerate(reversed(lost)):
        header = peer.client.get_block_header(found)
        assert (header.hash, header.height, header.confirmations) == (found, height - distance, -1)
        assert header.raw == peer.client.get_block(found)[:80]
    assert peer.client.get_block_header(lost[1]).previous_hash == lost[0]


def test_a_block_can_be_invalidated_and_reconsidered(peer: Peer, miner: Miner):
    coin = miner.fund()[0]
    txid = peer.client.send_raw_transaction(miner.spend(coin))
    first, *_, last = miner.mine(3)
    height = peer.client.get_block_count()
    peer.client.invalidate_block(first)
    assert peer.client.get_block_count() == height - 3
    assert peer.client.get_mempool_entry(txid) is not None  # it waits again
    peer.client.reconsider_block(first)
    assert (peer.client.get_block_count(), peer.client.get_best_block_hash()) == (height, last)
    assert peer.client.get_mempool_entry(txid) is None


def test_a_longer_branch_wins_and_what_it_left_out_waits_again(peer: Peer, miner: Miner):
    coin = miner.fund()[0]
    txid = peer.client.send_raw_transaction(miner.spend(coin))
    miner.mine(2)
    height = peer.client.get_block_count()
    branch = miner.mine_branch(height - 2, 2)
    assert peer.client.get_best_block_hash() not in branch  # the first seen of two equal ones stays
    miner.submit(miner.build_branch(peer.client.get_block(branch[-1]), 1))
    assert peer.client.get_block_count() == height + 1
    assert peer.client.get_mempool_entry(txid) is not None


def test_a_refused_block_is_refused_with_a_reason(peer: Peer, miner: Miner):
    raw = miner.build(peer.client.get_best_block_hash(), [], fees_sat=1)  # more than the subsidy
    assert peer.client.submit_block(raw)
    assert peer.client.get_best_block_hash() != block_hash(raw[:80])
    again = miner.build(peer.client.get_best_block_hash(), [])
    assert peer.client.submit_block(again) is None
    assert ("already have block" if peer.kind == "btcd" else "duplicate") in str(peer.client.submit_block(again))
    with pytest.raises(NodeRejectedError) as refused:
        peer.client.submit_block(b"\x00")
    assert refused.value.code == RPC_DESERIALIZATION_ERROR


def test_a_transaction_waits_and_is_mined(peer: Peer, miner: Miner):
    node, coin = peer.client, miner.fund()[0]
    raw = miner.spend(coin, fee_sat=1_234, outputs=[Output(10_000, STRANGER)])
    txid = node.send_raw_transaction(raw)
    assert txid == transaction_id(raw)
    entry = node.get_mempool_entry(txid)
    assert entry is not None
    assert (entry.fee_sat, entry.depends) == (1_234, ())
    assert entry.virtual_size in {virtual_size(raw), virtual_size(raw) - 1}  # btcd rounds down
    assert node.get_raw_transaction(txid) == raw
    child = miner.spend(Coin(txid, 0, coin.value_sat - 11_234, miner.key.script_pubkey))
    node.send_raw_transaction(child)
    waiting = node.get_mempool_entry(transaction_id(child))
    assert waiting is not None
    assert waiting.depends == (txid,)
    found = miner.mine()[0]
    assert node.get_mempool_entry(txid) is None
    assert node.get_raw_transaction(txid, block_hash=found) == raw
    assert node.find_raw_transaction(txid, block_hash=miner.mine()[0]) is None
    assert node.find_raw_transaction(UNKNOWN) is None


def test_outputs_are_told_with_their_value_and_depth(peer: Peer, miner: Miner):
    node, coin = peer.client, miner.fund()[0]
    found = node.get_txout(coin.txid, 0)
    assert found is not None
    assert (found.value_sat, found.script, found.confirmations, found.coinbase) == (
        coin.value_sat,
        coin.script,
        101,
        True,
    )
    assert node.get_txout(UNKNOWN, 0) is None
    txid = node.send_raw_transaction(miner.spend(coin))
    waiting = node.get_txout(txid, 0)
    assert waiting is not None
    assert (waiting.confirmations, waiting.coinbase) == (0, False)
    assert node.get_txout(txid, 0, include_mempool=False) is None
    assert node.get_txout(coin.txid, 0, include_mempool=False) is not None
    # btcd looks for new outputs in its mempool, and not for spends.
    assert (node.get_txout(coin.txid, 0) is not None) is (peer.kind == "btcd")
    miner.mine()
    assert node.get_txout(coin.txid, 0) is None


def test_unspent_outputs_are_listed_by_their_scripts_lowest_first(peer: Peer, miner: Miner):
    """A node that has no such call says so; the client then answers None."""
    key, later, stranger = generate_key(), generate_key(), generate_key()
    if peer.kind == "btcd":
        assert peer.client.find_unspent([key.script_pubkey]) is None
        return
    peer.client.generate_to_address(1, key.address(REGTEST))
    peer.client.generate_to_address(2, later.address(REGTEST))
    height = peer.client.get_block_count()

    coins = peer.client.find_unspent([later.script_pubkey, key.script_pubkey])

    assert coins is not None
    assert [coin.height for coin in coins] == [height - 2, height - 1, height]
    for coin in coins:
        output = peer.client.get_txout(coin.txid, coin.vout)
        assert output is not None
        assert output.confirmations == height - coin.height + 1
    assert peer.client.find_unspent([stranger.script_pubkey]) == []


def test_a_transaction_that_waits_may_be_sent_again(peer: Peer, miner: Miner):
    raw = miner.spend(miner.fund()[0])
    assert peer.client.send_raw_transaction(raw) == peer.client.send_raw_transaction(raw) == transaction_id(raw)


def test_a_mined_transaction_is_refused_as_known(peer: Peer, miner: Miner):
    raw = miner.spend(miner.fund()[0])
    peer.client.send_raw_transaction(raw)
    miner.mine()
    with pytest.raises(TransactionAlreadyKnownError):
        peer.client.send_raw_transaction(raw)


def test_missing_inputs_are_told_apart(peer: Peer, miner: Miner):
    missing = miner.spend(Coin(UNKNOWN, 0, 50_000, miner.key.script_pubkey))
    accepted = peer.client.test_mempool_accept(missing)
    assert (accepted.is_allowed, accepted.reject_reason) == (False, "missing-inputs")
    with pytest.raises(TransactionMissingInputsError):
        peer.client.send_raw_transaction(missing)
    coin = miner.fund()[0]
    peer.client.send_raw_transaction(miner.spend(coin))
    miner.mine()
    with pytest.raises(TransactionMissingInputsError):
        peer.client.send_raw_transaction(miner.spend(coin, fee_sat=5_000))  # spent by another one


def test_what_relay_or_consensus_rules_refuse_is_rejected(peer: Peer, miner: Miner):
    coin, young = miner.fund()[0], miner.mine()[0]
    paid = parse_block(peer.client.get_block(young)).transactions[0]
    signed = bytearray(miner.spend(coin))
    signed[-50] ^= 1
    refused = {
        "fee": miner.spend(coin, fee_sat=5),
        "dust": miner.spend(coin, outputs=[Output(200, STRANGER)]),
        "signature": bytes(signed),
        "immature": miner.spend(Coin(paid.txid, 0, paid.outputs[0].value_sat, miner.key.script_pubkey)),
        "lock time": miner.spend(coin, lock_time=peer.client.get_block_count() + 10),
        "decoding": b"\x00",
    }
    for cause, raw in refused.items():
        with pytest.raises(TransactionRejectedError) as error:
            peer.client.send_raw_transaction(raw)
        assert not isinstance(error.value, TransactionMissingInputsError | TransactionAlreadyKnownError), cause


def test_a_transaction_is_judged_without_being_taken(peer: Peer, miner: Miner):
    coin = miner.fund()[0]
    raw = miner.spend(coin, lock_time=peer.client.get_block_count())
    assert peer.client.test_mempool_accept(raw).is_allowed
    assert peer.client.get_mempool_entry(transaction_id(raw)) is None
    judged = peer.client.test_mempool_accept(miner.spend(coin, fee_sat=5))
    assert (judged.is_allowed, bool(judged.reject_reason)) == (False, True)


def test_an_anchor_is_replaced_by_a_higher_fee_with_the_same_commitment(peer: Peer, miner: Miner):
    node, coin = peer.client, miner.fund()[0]
    commitment = Output(0, commitment_script(b"\x07" * 32))
    versions = [miner.spend(coin, fee_sat=fee, outputs=[commitment]) for fee in (1_000, 1_001, 3_000)]
    first = node.send_raw_transaction(versions[0])
    with pytest.raises(TransactionRejectedError):
        node.send_raw_transaction(versions[1])  # does not pay for its own relay
    last = node.send_raw_transaction(versions[2])
    assert node.get_mempool_entry(first) is None
    assert node.get_mempool_entry(last) is not None
    found = miner.mine()[0]
    assert node.get_raw_transaction(last, block_hash=found) == versions[2]
    with pytest.raises(TransactionMissingInputsError):
        node.send_raw_transaction(versions[0])


def test_a_fee_cannot_be_estimated_on_a_new_chain(peer: Peer):
    assert peer.client.estimate_smart_fee(6) is None


def test_wrong_credentials_are_refused(peer: Peer):
    with pytest.raises(NodeAuthenticationError):
        NodeClient(f"http://somebody:else@127.0.0.1:{peer.port}").get_block_count()


def test_a_call_that_does_not_exist_is_refused(peer: Peer):
    with pytest.raises(NodeRejectedError) as refused:
        peer.client._call("nosuchcall")
    assert refused.value.code == RPC_METHOD_NOT_FOUND


def test_one_client_serves_many_calls_and_threads(peer: Peer):
    node, found = peer.client, list[str]()

    def ask() -> None:
        found.extend(node.get_block_hash(0) for _ in range(50))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [REGTEST.genesis_hash] * 200


def test_a_restarted_node_has_its_chain_and_no_mempool(peer: Peer, miner: Miner):
    raw = miner.spend(miner.fund()[0])
    txid = peer.client.send_raw_transaction(raw)
    tip = peer.client.get_best_block_hash()
    peer.forget_mempool()
    assert peer.client.get_best_block_hash() == tip
    assert peer.client.get_mempool_entry(txid) is None
    assert peer.client.send_raw_transaction(raw) == txid
