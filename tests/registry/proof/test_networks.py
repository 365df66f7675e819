import pytest
from bitcoin.core import CoreMainParams, CoreRegTestParams, compact_from_uint256, uint256_from_compact
from hypothesis import given
from hypothesis import strategies as st

from chain.networks import get_network as get_servers_network
from registry.proof.errors import UsageError
from registry.proof.headers import display_hash, encode_target, find_target
from registry.proof.networks import MAIN, NETWORKS, SIGNET, TESTNET4, Network, find_network, get_network


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_the_networks_are_those_that_the_server_knows(network: Network):
    assert display_hash(network.genesis_hash) == get_servers_network(network.name).genesis_hash
    assert find_network(network.genesis_hash) is get_network(network.name) is network


def test_the_genesis_blocks_and_easiest_targets_are_the_stock_librarys():
    for network, parameters in ((MAIN, CoreMainParams), (get_network("regtest"), CoreRegTestParams)):
        assert network.genesis_hash == parameters.GENESIS_BLOCK.GetHash()
        assert network.bits_max == parameters.GENESIS_BLOCK.nBits
        assert network.target_max == parameters.PROOF_OF_WORK_LIMIT


def test_the_easiest_bits_of_the_test_networks():
    assert (TESTNET4.bits_max, SIGNET.bits_max) == (0x1D00FFFF, 0x1E0377AE)


def test_refuses_the_name_of_no_network():
    with pytest.raises(UsageError, match="main, testnet4, signet, regtest"):
        get_network("mainnet")
    assert find_network(bytes(32)) is None


@pytest.mark.parametrize(
    ("first_time", "last_time", "bits", "expected"),
    [
        # Blocks 30240 to 32255: the first change of the target on the main network.
        (1261130161, 1262152739, 0x1D00FFFF, 0x1D00D86A),
        # Blocks 0 to 2015: slower than wanted, at the easiest target already.
        (1231006505, 1233061996, 0x1D00FFFF, 0x1D00FFFF),
        # Blocks 66528 to 68543: more than four times as fast.
        (1279008237, 1279297671, 0x1C05A3F4, 0x1C0168FD),
        # Not of the chain: more than four times as slow.
        (1263163443, 1269211443, 0x1C387F6F, 0x1D00E1FD),
    ],
)
def test_the_main_networks_own_changes_of_the_target(first_time: int, last_time: int, bits: int, expected: int):
    times = [first_time, *range(2014), last_time]

    assert MAIN.next_bits(times=times, bits=[0, *[bits] * 2015]) == expected


@given(st.integers(1, (1 << 256) - 1))
def test_targets_are_encoded_as_the_stock_library_does(target: int):
    bits = encode_target(target)

    assert bits == compact_from_uint256(target)
    assert find_target(bits) == uint256_from_compact(bits) <= target
    assert encode_target(find_target(bits) or 0) == bits
