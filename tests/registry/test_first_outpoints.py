"""Finding the output that founds a register: by what the node lists, else block by block."""

import io
import socket
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from chain.errors import BlockPrunedError, NetworkError, NodeProtocolError, NodeRejectedError
from chain.keys import Key, generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import Coin, Output, parse_block
from registry.services.founding import find_first_outpoint
from tests.chain.doubles import GENESIS, NodeDouble, RefusedCallError, extend, serving
from tests.factories.registry import build_block
from tests.nodes import DevnodeProcess, MiningWallet


class ListlessNode(NodeClient):
    """A client of a node that cannot list unspent outputs, as btcd cannot."""

    def find_unspent(self, scripts: object) -> None:
        """Say that there is no such call."""


@pytest.fixture
def key(settings: Settings) -> Key:
    """The anchor key."""
    key = generate_key()
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)
    return key


def spend(node: NodeClient, key: Key, block_hash: str) -> None:
    """Spend a block's coinbase."""
    coinbase = parse_block(node.get_block(block_hash)).transactions[0]
    coin = Coin(coinbase.txid, 0, coinbase.outputs[0].value_sat, key.script_pubkey)
    output = Output(coin.value_sat - 1_000, generate_key().script_pubkey)
    node.send_raw_transaction(MiningWallet(node, key).build([coin], [output]))


@pytest.mark.parametrize("kind", [NodeClient, ListlessNode])
def test_the_oldest_unspent_output_from_the_start_height_on_is_found(
    devnode: DevnodeProcess, key: Key, settings: Settings, kind: type[NodeClient]
):
    """Passes if neither one that is spent, in a block or in the mempool, nor one below the start height is taken."""
    node = kind(devnode.url)
    settings.CADASTRE_CHAIN_START_HEIGHT = 2
    _below, mined, waiting, wanted, _later = node.generate_to_address(5, key.address(REGTEST))
    miner = MiningWallet(node)
    miner.mine(100)
    spend(node, key, mined)
    miner.mine(1)
    spend(node, key, waiting)

    found = find_first_outpoint(node=node)

    assert found == (parse_block(node.get_block(wanted)).transactions[0].txid, 0)


@pytest.mark.parametrize("kind", [NodeClient, ListlessNode])
def test_an_output_that_is_not_deep_enough_is_not_found(devnode: DevnodeProcess, key: Key, kind: type[NodeClient]):
    node = kind(devnode.url)
    node.generate_to_address(1, key.address(REGTEST))
    MiningWallet(node).mine(98)

    assert find_first_outpoint(node=node) is None
    MiningWallet(node).mine(1)
    assert find_first_outpoint(node=node) is not None


def test_a_node_that_lists_outputs_is_asked_for_no_block(key: Key):
    """Passes on a node that has pruned everything, so that a pruned node can be founded on."""
    node = NodeDouble(extend([GENESIS], 120))
    node.prune_height = 120
    listed = [{"txid": "22" * 32, "vout": 3, "height": 21}, {"txid": "11" * 32, "vout": 0, "height": 20}]
    node.answers["scantxoutset"] = lambda *_: {"success": True, "unspents": listed}
    output = {"value": 1, "scriptPubKey": {"hex": key.script_pubkey.hex()}, "confirmations": 100, "coinbase": False}
    node.answers["gettxout"] = lambda *_: output

    with serving(node) as client:
        assert find_first_outpoint(node=client) == ("11" * 32, 0)

    assert node.calls["getblock"] == 0
    assert node.calls["gettxout"] == 1


def test_every_block_is_read_once_with_progress_where_the_node_lists_nothing(key: Key):
    """Passes if the output of the last block that is deep enough is found, and the blocks above it are not read."""
    chain = extend([GENESIS], 9)
    chain.append(build_block([pay(key)], previous_hash=parse_block(chain[-1]).hash, height=10))
    node = NodeDouble(extend(chain, 99))
    node.answers["gettxout"] = lambda *_: {
        "value": 1,
        "scriptPubKey": {"hex": key.script_pubkey.hex()},
        "confirmations": 100,
        "coinbase": False,
    }
    progress: list[tuple[int, int]] = []

    with serving(node) as client:
        found = find_first_outpoint(node=client, note_progress=lambda *done: progress.append(done))

    assert found == (parse_block(chain[10]).transactions[1].txid, 0)
    assert progress == [(height, 10) for height in range(10)]
    # The one that has the script is read again, and checked.
    assert node.calls["getblock"] == 12


def pay(key: Key) -> bytes:
    """Return a transaction that pays a key; what it spends does not matter here."""
    coin = Coin("33" * 32, 0, 2_000, key.script_pubkey)
    return MiningWallet(NodeClient("http://u:p@127.0.0.1:1"), key).build([coin], [Output(1_000, key.script_pubkey)])


@pytest.mark.parametrize("missing", [False, True])
def test_a_pruned_block_ends_the_search_with_its_height(key: Key, settings: Settings, missing: bool):
    """Passes if a block that may have the output is never skipped, and the search works from a start height above."""
    node = NodeDouble(extend([GENESIS], 120))
    node.prune_height = 5
    if missing:
        del node.blocks[node.hashes[4]]

    with serving(node) as client:
        settings.CADASTRE_CHAIN_START_HEIGHT = 4
        with pytest.raises(BlockPrunedError, match=r"at height 4, which is needed; .* 5$"):
            find_first_outpoint(node=client)
        settings.CADASTRE_CHAIN_START_HEIGHT = 5
        assert find_first_outpoint(node=client) is None


@pytest.mark.django_db
def test_the_command_says_how_far_it_is_and_what_to_do_about_a_pruned_block(key: Key, settings: Settings):
    node, said = NodeDouble(extend([GENESIS], 1_200)), io.StringIO()

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with serving(node, port=port):
        settings.CADASTRE_NODE_URL = f"http://u:p@127.0.0.1:{port}"
        with pytest.raises(CommandError, match="pays the anchor key yet"):
            call_command("found_register", stderr=said)
        node.prune_height = 7
        with pytest.raises(CommandError, match=r"at height 7\. Name the output with --outpoint"):
            call_command("found_register")

    assert said.getvalue().splitlines() == ["looked at block 0 of 1101", "looked at block 1000 of 1101"]


def test_a_node_of_another_network_is_not_searched(key: Key, settings: Settings):
    node = NodeDouble(extend([GENESIS], 120))
    settings.CADASTRE_NETWORK = "testnet4"
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)

    with serving(node) as client, pytest.raises(NetworkError, match="testnet4"):
        find_first_outpoint(node=client)

    assert node.calls["scantxoutset"] == 0


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"success": False, "unspents": []},
        {"success": True},
        {"success": True, "unspents": [7]},
        {"success": True, "unspents": [{"txid": "11" * 32, "vout": "0", "height": 1}]},
    ],
)
def test_an_answer_that_is_no_list_of_outputs_is_refused(key: Key, answer: Any):
    node = NodeDouble(extend([GENESIS], 120))
    node.answers["scantxoutset"] = lambda *_: answer

    with serving(node) as client, pytest.raises(NodeProtocolError):
        client.find_unspent([key.script_pubkey])


def test_a_scan_beside_another_is_refused_and_not_taken_for_none(key: Key):
    def refuse(*_: object) -> None:
        raise RefusedCallError(-8, 'Scan already in progress, use action "abort" or "status"')

    node = NodeDouble(extend([GENESIS], 120))
    node.answers["scantxoutset"] = refuse

    with serving(node) as client, pytest.raises(NodeRejectedError, match="already in progress"):
        find_first_outpoint(node=client)
