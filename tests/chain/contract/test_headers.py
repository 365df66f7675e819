"""Headers in batches, and a headers file, from every node."""

from pathlib import Path

import pytest

from chain.errors import NodeRejectedError
from registry.proof.chains import read_chain
from registry.proof.headers import parse_display_hash
from registry.services.headers import export_headers
from tests.chain.contract.miners import Miner
from tests.chain.contract.peers import Peer

pytestmark = pytest.mark.own_engine


def test_headers_in_batches_are_those_of_single_calls(peer: Peer, miner: Miner):
    miner.mine(3)
    node = peer.client
    tip_height = node.get_block_count()

    found = node.get_raw_headers(tip_height - 2, 3)

    assert found == [node.get_raw_header(node.get_block_hash(tip_height - 2 + place)) for place in range(3)]
    with pytest.raises(NodeRejectedError):
        node.get_raw_headers(tip_height, 2)


def test_an_exported_headers_file_is_the_nodes_chain(peer: Peer, miner: Miner, tmp_path: Path):
    node, path = peer.client, tmp_path / "headers"
    miner.mine(5)
    export_headers(node=node, path=path)
    miner.mine(2)

    count = export_headers(node=node, path=path)

    with path.open("rb") as stream:
        chain = read_chain(stream)
    assert (chain.network.name, chain.tip_height) == ("regtest", count - 1)
    assert chain.tip_hash == parse_display_hash(node.get_best_block_hash())
