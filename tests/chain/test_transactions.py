"""Transactions and blocks: sizes, parsing, and the refusals of what cannot be signed or read."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import SigningError, TransactionFormatError
from chain.keys import Key
from chain.transactions import (
    Coin,
    Output,
    build_transaction,
    estimate_virtual_size,
    parse_block,
    parse_transaction,
    sign_transaction,
    transaction_id,
    virtual_size,
    weight,
    witness_transaction_id,
)
from tests.nodes import DevnodeProcess

ALICE = Key.from_secret(b"\x01" * 32)
CAROL = Key.from_secret(b"\x03" * 32)
COIN = Coin("ab" * 32, 1, 100_000, ALICE.script_pubkey)
PAID = [Output(60_000, CAROL.script_pubkey), Output(39_000, ALICE.script_pubkey)]
UNSIGNED = build_transaction(coins=[COIN], outputs=PAID, lock_time=17)
SIGNED = sign_transaction(UNSIGNED, coins=[COIN], keys={ALICE.script_pubkey: ALICE})


def test_signs_the_example_of_bip_143():
    # The key, the digest and the signature of the second input of "Native P2WPKH".
    key = Key.from_secret(bytes.fromhex("619c335025c7f4012e556c2a58b2506e30b8511b53ade95ea316fd8c3286feb9"))
    digest = bytes.fromhex("c37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670")
    assert key.sign(digest).hex() == (
        "304402203609e17b84f6a7d30c80bfa610b5b4542f32a8a0d5447a12fb1366d7f01cc44a"
        "0220573a954c4518331561406f90300e8f3358f51928d43c212a8caed02de67eebee"
    )


def test_a_signature_changes_the_witness_but_not_the_id():
    assert transaction_id(SIGNED) == transaction_id(UNSIGNED)
    assert witness_transaction_id(SIGNED) != witness_transaction_id(UNSIGNED)
    assert sign_transaction(UNSIGNED, coins=[COIN], keys={ALICE.script_pubkey: ALICE}) == SIGNED


def test_reads_back_what_was_built():
    parsed = parse_transaction(SIGNED)
    assert (parsed.version, parsed.lock_time, parsed.raw) == (2, 17, SIGNED)
    assert list(parsed.outputs) == PAID
    assert (parsed.inputs[0].txid, parsed.inputs[0].vout, parsed.inputs[0].sequence) == ("ab" * 32, 1, 0xFFFFFFFD)
    assert parsed.inputs[0].witness[1] == ALICE.public_key
    assert not parsed.is_coinbase


@pytest.mark.parametrize("count", [1, 2, 3, 253])
def test_the_estimate_is_never_below_the_signed_size_and_at_most_a_vbyte_an_input_above(count: int):
    coins = [Coin("ab" * 32, vout, 100_000, ALICE.script_pubkey) for vout in range(count)]
    raw = build_transaction(coins=coins, outputs=PAID, lock_time=0)
    signed = sign_transaction(raw, coins=coins, keys={ALICE.script_pubkey: ALICE})
    estimate = estimate_virtual_size(count, [output.script for output in PAID])
    assert virtual_size(signed) <= estimate <= virtual_size(signed) + count
    assert weight(signed) <= 4 * estimate


@pytest.mark.parametrize(
    ("coins", "outputs"),
    [
        ([], PAID),
        ([COIN], []),
        ([COIN, COIN], PAID),
        ([COIN], [Output(-1, b"\x51")]),
        ([COIN], [Output(21 * 10**14 + 1, b"\x51")]),
    ],
)
def test_refuses_to_build_what_no_node_would_take(coins: list[Coin], outputs: list[Output]):
    with pytest.raises(TransactionFormatError):
        build_transaction(coins=coins, outputs=outputs, lock_time=0)


def test_refuses_to_sign_with_the_wrong_coins_or_keys():
    other = Coin("cd" * 32, 1, 100_000, ALICE.script_pubkey)
    with pytest.raises(SigningError, match="coins"):
        sign_transaction(UNSIGNED, coins=[other], keys={ALICE.script_pubkey: ALICE})
    with pytest.raises(SigningError, match="no P2WPKH key"):
        sign_transaction(UNSIGNED, coins=[COIN], keys={})
    with pytest.raises(SigningError, match="no P2WPKH key"):
        sign_transaction(UNSIGNED, coins=[COIN], keys={ALICE.script_pubkey: CAROL})


def test_refuses_every_truncation_and_trailing_bytes():
    for end in range(len(SIGNED)):
        with pytest.raises(TransactionFormatError):
            parse_transaction(SIGNED[:end])
    with pytest.raises(TransactionFormatError):
        parse_transaction(SIGNED + b"\x00")


@given(st.integers(0, len(SIGNED) - 1), st.binary(min_size=1, max_size=4))
@settings(max_examples=300)
def test_mutated_bytes_are_a_transaction_or_a_format_error(position: int, replacement: bytes):
    mutated = SIGNED[:position] + replacement + SIGNED[position + len(replacement) :]
    try:
        parsed = parse_transaction(mutated)
    except TransactionFormatError:
        return
    assert parsed.raw == mutated


@given(st.binary(max_size=400))
def test_any_bytes_are_a_block_or_a_format_error(data: bytes):
    with pytest.raises(TransactionFormatError):
        parse_block(data)


@pytest.mark.parametrize("height", [1, 16, 17, 127, 128])
def test_reads_a_mined_block_and_its_height(shared_devnode: DevnodeProcess, height: int):
    client = shared_devnode.client
    missing = height - client.get_block_count()
    if missing > 0:
        client.generate_to_address(missing, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")
    block_hash = client.get_block_hash(height)
    block = parse_block(client.get_block(block_hash))
    assert (block.hash, block.height) == (block_hash, height)
    assert block.previous_hash == client.get_block_hash(height - 1)
    assert block.header == client.get_block_header(block_hash).raw
    assert block.transactions[0].is_coinbase


def test_the_genesis_block_has_height_zero(shared_devnode: DevnodeProcess):
    client = shared_devnode.client
    assert parse_block(client.get_block(client.get_block_hash(0))).height == 0
