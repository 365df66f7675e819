"""Founding: which outputs can be a register's first outpoint."""

import pytest
from pytest_django.fixtures import Settings

from chain.keys import generate_key
from chain.networks import REGTEST
from registry.errors import FirstOutpointError, RegisterExistsError
from registry.models import Register
from registry.services.founding import find_first_outpoint, found_register
from tests.nodes import DevnodeProcess, MiningWallet
from tests.registry.conftest import NOW, FoundedRegister


def test_refuses_a_second_register_on_the_network(founded: FoundedRegister):
    with pytest.raises(RegisterExistsError):
        found_register(txid="00" * 32, vout=0, node=founded.node, now=NOW)


@pytest.mark.django_db
def test_refuses_an_output_that_does_not_exist(shared_devnode: DevnodeProcess):
    with pytest.raises(FirstOutpointError, match="spent, or the node does not know it"):
        found_register(txid="00" * 32, vout=0, node=shared_devnode.client, now=NOW)
    assert not Register.objects.exists()


@pytest.mark.django_db
def test_refuses_an_output_of_another_key(shared_devnode: DevnodeProcess, settings: Settings):
    settings.CADASTRE_ANCHOR_KEY = generate_key().to_wif(REGTEST)
    wallet = MiningWallet(shared_devnode.client)
    coin = wallet.fund()[0]

    with pytest.raises(FirstOutpointError, match="does not pay the anchor key"):
        found_register(txid=coin.txid, vout=coin.vout, node=shared_devnode.client, now=NOW)


@pytest.mark.django_db
def test_refuses_an_output_that_is_not_deep_enough(shared_devnode: DevnodeProcess, settings: Settings):
    key = generate_key()
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)
    node = shared_devnode.client
    settings.CADASTRE_CHAIN_START_HEIGHT = node.get_block_count()
    node.generate_to_address(1, key.address(REGTEST))
    wallet = MiningWallet(node)
    wallet.mine(98)

    assert find_first_outpoint(node=node) is None
    wallet.mine(1)
    outpoint = find_first_outpoint(node=node)
    assert outpoint is not None
    txid, vout = outpoint
    assert found_register(txid=txid, vout=vout, node=node, now=NOW).first_txid == txid
