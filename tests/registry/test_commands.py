"""`manage.py found_register` and `show_anchor_address`: what an operator is told, and told is missing."""

import socket

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from chain.keys import Key, generate_key
from chain.networks import MAIN, REGTEST
from chain.transactions import parse_block
from registry.models import Register
from tests.nodes import DevnodeProcess, MiningWallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(settings: Settings) -> Key:
    """A fresh anchor key."""
    key = generate_key()
    settings.CADASTRE_ANCHOR_KEY = key.to_wif(REGTEST)
    return key


@pytest.fixture
def node(shared_devnode: DevnodeProcess, settings: Settings) -> DevnodeProcess:
    """The node that all tests share; what others mined is not looked at."""
    settings.CADASTRE_NODE_URL = shared_devnode.url
    settings.CADASTRE_CHAIN_START_HEIGHT = shared_devnode.client.get_block_count()
    return shared_devnode


def pay(node: DevnodeProcess, key: Key, *, confirmations: int) -> str:
    """Mine a coin to a key, and blocks upon it; return the coin's transaction."""
    [block_hash] = node.client.generate_to_address(1, key.address(REGTEST))
    MiningWallet(node.client).mine(confirmations - 1)
    return parse_block(node.client.get_block(block_hash)).transactions[0].txid


def test_the_oldest_suitable_output_founds_the_register(
    node: DevnodeProcess, key: Key, capsys: pytest.CaptureFixture[str]
):
    txid = pay(node, key, confirmations=2)
    pay(node, key, confirmations=100)

    call_command("found_register")

    register = Register.objects.get()
    assert (register.first_txid, register.first_vout) == (txid, 0)
    assert register.first_script == key.script_pubkey
    assert capsys.readouterr().out == f"{register} with {register.first_value_sat} sat\n"


def test_an_operator_may_name_the_output(node: DevnodeProcess, key: Key):
    pay(node, key, confirmations=2)
    second = pay(node, key, confirmations=100)

    call_command("found_register", outpoint=f"{second.upper()}:0")

    assert Register.objects.get().first_txid == second


def test_without_a_deep_output_the_operator_is_told_where_to_pay(node: DevnodeProcess, key: Key):
    pay(node, key, confirmations=99)

    with pytest.raises(CommandError, match=f"100 confirmations .* Pay to {key.address(REGTEST)}"):
        call_command("found_register")
    assert not Register.objects.exists()


def test_a_register_is_founded_once(node: DevnodeProcess, key: Key):
    pay(node, key, confirmations=100)
    call_command("found_register")

    with pytest.raises(CommandError, match="founded already"):
        call_command("found_register")
    assert Register.objects.count() == 1


@pytest.mark.parametrize("outpoint", ["", ":", "00:0", "0" * 64, "0" * 64 + ":", "0" * 64 + ":-1", "0" * 64 + ":x"])
def test_a_malformed_outpoint_is_refused(node: DevnodeProcess, key: Key, outpoint: str):
    expected = "written TXID:VOUT" if outpoint else "No output with"

    with pytest.raises(CommandError, match=expected):
        call_command("found_register", outpoint=outpoint)
    assert not Register.objects.exists()


@pytest.mark.parametrize("txid", ["00" * 32, "zz" * 32])
def test_an_outpoint_that_the_node_does_not_know_is_refused(node: DevnodeProcess, key: Key, txid: str):
    with pytest.raises(CommandError):
        call_command("found_register", outpoint=f"{txid}:0")
    assert not Register.objects.exists()


def test_an_output_of_another_key_is_refused(node: DevnodeProcess, key: Key):
    txid = pay(node, generate_key(), confirmations=100)

    with pytest.raises(CommandError, match="does not pay the anchor key"):
        call_command("found_register", outpoint=f"{txid}:0")
    assert not Register.objects.exists()


def test_without_a_key_nothing_is_founded(node: DevnodeProcess, settings: Settings):
    settings.CADASTRE_ANCHOR_KEY = ""

    with pytest.raises(CommandError, match="CADASTRE_ANCHOR_KEY is not set"):
        call_command("found_register")


def test_without_a_node_nothing_is_founded(settings: Settings, key: Key):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings.CADASTRE_NODE_URL = f"http://cadastre:cadastre@127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CommandError):
            call_command("found_register")
    assert not Register.objects.exists()


def test_the_anchor_address_is_shown(key: Key, capsys: pytest.CaptureFixture[str]):
    call_command("show_anchor_address")

    assert capsys.readouterr().out == f"{key.address(REGTEST)}\n"


def test_without_a_key_there_is_no_address(settings: Settings):
    settings.CADASTRE_ANCHOR_KEY = ""

    with pytest.raises(CommandError, match="CADASTRE_ANCHOR_KEY is not set"):
        call_command("show_anchor_address")


def test_a_key_of_another_network_has_no_address_and_is_not_shown(settings: Settings):
    settings.CADASTRE_ANCHOR_KEY = generate_key().to_wif(MAIN)

    with pytest.raises(CommandError) as refused:
        call_command("show_anchor_address")
    assert settings.CADASTRE_ANCHOR_KEY not in str(refused.value)
