"""A founded register on a real chain, and what its tests make with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from pytest_django.fixtures import Settings

from chain.keys import generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from registry.models import Register
from registry.services.following import follow_chain
from registry.services.founding import find_first_outpoint, found_register
from tests.nodes import DevnodeProcess, MiningWallet

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class FoundedRegister:
    """A register, the node that it lives on, and a way to mine and follow."""

    register: Register
    node: NodeClient
    wallet: MiningWallet

    def mine(self, count: int = 1) -> list[str]:
        """Mine blocks and follow them."""
        hashes = self.wallet.mine(count)
        follow_chain(node=self.node, now=NOW)
        return hashes


@pytest.fixture
def found(db: None, settings: Settings) -> Callable[[DevnodeProcess], FoundedRegister]:
    """Found a register on a node, with a fresh anchor key."""

    def found_on(devnode: DevnodeProcess) -> FoundedRegister:
        key = generate_key()
        settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)
        settings.CADASTRE_NODE_URL = devnode.url
        settings.CADASTRE_SEAL_AGE_SECONDS = 0
        node = devnode.client
        wallet = MiningWallet(node)
        settings.CADASTRE_CHAIN_START_HEIGHT = node.get_block_count()
        node.generate_to_address(1, key.address(REGTEST))
        wallet.mine(100)
        outpoint = find_first_outpoint(node=node)
        assert outpoint is not None
        register = found_register(txid=outpoint[0], vout=outpoint[1], node=node, now=NOW)
        follow_chain(node=node, now=NOW)
        return FoundedRegister(register, node, wallet)

    return found_on


@pytest.fixture
def founded(shared_devnode: DevnodeProcess, found: Callable[[DevnodeProcess], FoundedRegister]) -> FoundedRegister:
    """A register on the node that all tests share."""
    return found(shared_devnode)


@pytest.fixture
def own(devnode: DevnodeProcess, found: Callable[[DevnodeProcess], FoundedRegister]) -> FoundedRegister:
    """A register on a node of the test's own, whose chain it may fork."""
    return found(devnode)
