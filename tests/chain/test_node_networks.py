"""Nodes of another network or another signet are refused before anything that they say is taken."""

import hashlib
import struct
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from chain.errors import NetworkError, NodeProtocolError
from chain.follower import next_event
from chain.networks import SIGNET, SIGNET_CHALLENGE
from chain.node_networks import check_network
from registry.services.headers import export_headers
from tests.chain.doubles import GENESIS, NodeDouble, extend, hash_of, serving

# The coinbase transaction is the same as regtest's; only the header differs (Bitcoin Core's chainparams).
SIGNET_GENESIS = GENESIS[:68] + struct.pack("<III", 1_598_918_400, 0x1E0377AE, 52_613_770) + GENESIS[80:]
OTHER_CHALLENGE = "51"
"""OP_TRUE: anybody may make blocks."""


@pytest.fixture
def signet(settings: Settings) -> NodeDouble:
    """A node of the public signet, which the settings name."""
    settings.CADASTRE_NETWORK = "signet"
    node = NodeDouble([SIGNET_GENESIS])
    node.members = {"chain": "signet", "signet_challenge": SIGNET_CHALLENGE}
    return node


def test_the_default_challenge_is_the_public_signets(settings: Settings):
    """A signet's messages begin with four bytes of its challenge's hash (BIP 325): 0a03cf40 on the public one."""
    challenge = bytes.fromhex(SIGNET_CHALLENGE)
    digest = hashlib.sha256(hashlib.sha256(bytes([len(challenge)]) + challenge).digest()).digest()
    assert digest[:4].hex() == "0a03cf40"
    assert settings.CADASTRE_SIGNET_CHALLENGE == SIGNET_CHALLENGE
    assert hash_of(SIGNET_GENESIS) == SIGNET.genesis_hash


def test_a_node_of_the_signet_that_is_meant_is_taken(signet: NodeDouble, settings: Settings):
    with serving(signet) as node:
        check_network(node)
        signet.members["signet_challenge"] = OTHER_CHALLENGE + "AE"
        settings.CADASTRE_SIGNET_CHALLENGE = OTHER_CHALLENGE + "aE"
        check_network(node)


@pytest.mark.django_db
def test_a_node_of_another_signet_is_refused_though_its_genesis_block_is_the_same(signet: NodeDouble, tmp_path: Path):
    signet.members["signet_challenge"] = OTHER_CHALLENGE

    with serving(signet) as node:
        with pytest.raises(NetworkError, match="another signet than the settings name: its challenge is 51"):
            next_event(node=node, consumer="signet's", start_height=0)
        with pytest.raises(NetworkError, match="its challenge is 51"):
            export_headers(node=node, path=tmp_path / "headers.bin")

    assert signet.calls["getblock"] == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.django_db
def test_a_node_that_names_the_challenge_is_followed(signet: NodeDouble):
    with serving(signet) as node:
        event = next_event(node=node, consumer="signet's", start_height=0)

    assert event is not None
    assert event.hash == SIGNET.genesis_hash


def test_a_node_that_does_not_say_its_challenge_is_refused(signet: NodeDouble):
    del signet.members["signet_challenge"]

    with serving(signet) as node, pytest.raises(NetworkError, match="does not say which signet it runs"):
        check_network(node)


@pytest.mark.parametrize("answer", [7, "OP_TRUE", ["51"]])
def test_a_challenge_that_is_not_hex_is_refused(signet: NodeDouble, answer: object):
    signet.members["signet_challenge"] = answer

    with serving(signet) as node, pytest.raises(NodeProtocolError):
        check_network(node)


def test_another_network_has_no_challenge_to_compare():
    double = NodeDouble(extend([GENESIS], 1))

    with serving(double) as node:
        check_network(node)

    assert double.calls["getblockchaininfo"] == 0
