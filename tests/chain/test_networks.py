"""The networks' constants, against what they follow from."""

import struct

import pytest

from chain.errors import NetworkError
from chain.networks import MAIN, REGTEST, SIGNET, TESTNET4, Network, get_network
from chain.transactions import block_hash

SATOSHI = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
"""The Merkle root of three of the genesis blocks: their one transaction quotes The Times of 3 January 2009."""

TESTNET4_ROOT = "7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e"


@pytest.mark.parametrize(
    ("network", "merkle_root", "time", "bits", "nonce"),
    [
        (MAIN, SATOSHI, 1_231_006_505, 0x1D00FFFF, 2_083_236_893),
        (TESTNET4, TESTNET4_ROOT, 1_714_777_860, 0x1D00FFFF, 393_743_547),
        (SIGNET, SATOSHI, 1_598_918_400, 0x1E0377AE, 52_613_770),
        (REGTEST, SATOSHI, 1_296_688_602, 0x207FFFFF, 2),
    ],
    ids=lambda value: value.name if isinstance(value, Network) else "",
)
def test_the_genesis_hash_is_that_of_the_genesis_header(
    network: Network, merkle_root: str, time: int, bits: int, nonce: int
):
    """The fields are those of Bitcoin Core's chainparams; a slip in one of them, or in the hash, cannot go unseen."""
    header = struct.pack("<I32s32sIII", 1, bytes(32), bytes.fromhex(merkle_root)[::-1], time, bits, nonce)
    assert block_hash(header) == network.genesis_hash


@pytest.mark.parametrize("network", [MAIN, TESTNET4, SIGNET, REGTEST])
def test_a_network_is_found_by_the_name_that_nodes_give_it(network: Network):
    assert get_network(network.name) is network


@pytest.mark.parametrize("name", ["", "mainnet", "test", "testnet3"])
def test_another_name_is_refused(name: str):
    with pytest.raises(NetworkError, match="known are main, regtest, signet, testnet4"):
        get_network(name)
