"""Keys, accounts and addresses, against the vectors of BIP 32, BIP 84, BIP 173 and BIP 350."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.errors import AddressError, KeyFormatError
from chain.keys import Account, Key, address_to_script, generate_key, script_to_address
from chain.networks import MAIN, REGTEST, SIGNET, TESTNET4, Network, get_network

ONE = Key.from_secret(b"\x00" * 31 + b"\x01")


@pytest.mark.parametrize(
    ("address", "network", "script"),
    [
        ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", MAIN, "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0", MAIN,
         "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
        ("bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y", MAIN,
         "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6"),
        ("tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy", TESTNET4,
         "0020000000c4a5cad46221b2a187905e5266362b99d5e91c6ce24d165dab93e86433"),
        ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", MAIN, "76a914751e76e8199196d454941c45d1b3a323f1433bd688ac"),
        ("3JvL6Ymt8MVWiCNHC7oWU6nLeHNJKLZGLN", MAIN, "a914bcfeb728b584253d5f3f70bcb780e9ef218a68f487"),
    ],
)  # fmt: skip
def test_reads_and_writes_every_type_of_address(address: str, network: Network, script: str):
    assert address_to_script(address, network).hex() == script
    assert script_to_address(bytes.fromhex(script), network) == (
        address.lower() if address.startswith("BC1") else address
    )


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",  # checksum
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",  # bech32 where bech32m belongs
        "bc1qR508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",  # mixed case
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",  # another network
        "mrCDrCybB6J1vRfbwM5hemdJz73FwDBC8r",  # another network
        "1" * 10_000,
        "bc1gmk9yu",  # empty program
    ],
)
def test_refuses_what_is_no_address_of_the_network(address: str):
    with pytest.raises(AddressError):
        address_to_script(address, MAIN)


@given(st.text(max_size=100))
def test_any_text_is_an_address_or_an_address_error(text: str):
    try:
        script = address_to_script(text, REGTEST)
    except AddressError:
        return
    assert script_to_address(script, REGTEST).lower() == text.lower()


@pytest.mark.parametrize("script", ["", "6a", "51", "0015" + "11" * 20])
def test_a_script_without_an_address_is_refused(script: str):
    with pytest.raises(AddressError):
        script_to_address(bytes.fromhex(script), REGTEST)


def test_a_key_round_trips_through_wallet_import_format():
    assert ONE.to_wif(MAIN) == "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn"
    assert Key.from_wif(ONE.to_wif(REGTEST), REGTEST).public_key == ONE.public_key
    assert ONE.address(MAIN) == "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"


@pytest.mark.parametrize(
    "wif",
    ["", "nonsense", "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn",
    "5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAnchuDf"],
)  # fmt: skip
def test_a_damaged_foreign_or_uncompressed_key_is_refused(wif: str):
    with pytest.raises(KeyFormatError):
        Key.from_wif(wif, REGTEST)


@pytest.mark.parametrize("secret", [b"", b"\x00" * 32, b"\xff" * 32, b"\x01" * 31])
def test_a_secret_outside_the_range_is_refused(secret: bytes):
    with pytest.raises(KeyFormatError):
        Key.from_secret(secret)


def test_no_text_form_shows_the_secret():
    account = Account.from_seed(b"\x05" * 32, REGTEST)
    assert "01" * 31 not in repr(Key.from_secret(b"\x01" * 32))
    assert account.to_xprv() not in repr(account)


def test_derives_the_addresses_of_bip_84():
    seed = bytes.fromhex(
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
        "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    )
    account = Account.from_seed(seed, MAIN)
    assert script_to_address(account.derive_script(0, 0), MAIN) == "bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu"
    assert script_to_address(account.derive_script(1, 0), MAIN) == "bc1q8c6fshw2dlwun7ekn9qwf37cu2rn755upcp6el"


def test_the_public_half_derives_the_same_scripts_and_no_keys():
    account = Account.from_seed(b"\x05" * 32, SIGNET)
    watching = Account.from_xpub(account.xpub)
    spending = Account.from_xprv(account.to_xprv())
    assert watching.derive_script(0, 7) == spending.derive_key(0, 7).script_pubkey
    with pytest.raises(KeyFormatError, match="no private half"):
        watching.derive_key(0, 7)
    with pytest.raises(KeyFormatError, match="no private half"):
        watching.to_xprv()


def test_the_halves_of_an_account_are_not_confused():
    account = Account.from_seed(b"\x05" * 32, REGTEST)
    with pytest.raises(KeyFormatError, match="private"):
        Account.from_xpub(account.to_xprv())
    with pytest.raises(KeyFormatError, match="public"):
        Account.from_xprv(account.xpub)
    with pytest.raises(KeyFormatError):
        Account.from_xpub("nonsense")


@pytest.mark.parametrize(("change", "index"), [(-1, 0), (0, -1), (0, 2**31)])
def test_an_index_out_of_range_is_refused(change: int, index: int):
    with pytest.raises(KeyFormatError):
        Account.from_seed(b"\x05" * 32, REGTEST).derive_script(change, index)


def test_generated_keys_differ():
    assert generate_key().public_key != generate_key().public_key


def test_networks_are_known_by_the_names_that_nodes_use():
    assert get_network("regtest").bech32_hrp == "bcrt"
