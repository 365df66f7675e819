"""Whether a node runs the network that the settings name: the one check before anything that it says is taken."""

from django.conf import settings

from chain.errors import NetworkError
from chain.networks import SIGNET, get_network
from chain.node import NodeClient


def check_network(node: NodeClient) -> None:
    """Check that a node runs the network that the settings name, so that two networks are never mixed.

    The genesis block tells networks apart, but all signets have the same one: those differ by the challenge that their
    blocks satisfy (BIP 325). Only the node can check blocks against it, so the node must say which one it checks.
    Raises NetworkError if it runs another network or another signet, or does not say which signet.
    """
    network = get_network(settings.CADASTRE_NETWORK)
    found = node.get_block_hash(0)
    if found != network.genesis_hash:
        raise NetworkError(f"the settings name {network.name}, but the node's genesis block is {found}")
    if network is SIGNET:
        _check_challenge(node)


def _check_challenge(node: NodeClient) -> None:
    challenge = node.get_blockchain_info().signet_challenge
    if challenge is None:
        raise NetworkError("the node does not say which signet it runs (signet_challenge); Bitcoin Core 29 does")
    if challenge != settings.CADASTRE_SIGNET_CHALLENGE.lower():
        raise NetworkError(f"the node runs another signet than the settings name: its challenge is {challenge}")
