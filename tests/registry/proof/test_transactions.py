from collections.abc import Sequence

import pytest
from bitcoin.core import CMutableTransaction, COutPoint, CTransaction, CTxIn, CTxInWitness, CTxOut, CTxWitness
from bitcoin.core.script import CScript, CScriptWitness
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.errors import AnchorShapeError, InvalidProofError, MalformedTransactionError
from registry.proof.transactions import (
    MONEY_MAX,
    commitment_script,
    is_transaction_like,
    parse_transaction,
    read_anchor,
    transaction_id,
)
from tests.registry.proof.vectors import load


def make_raw(*, scripts: Sequence[bytes] = (b"",), witness: Sequence[Sequence[bytes]] = (), value: int = 1) -> bytes:
    inputs = [CTxIn(COutPoint(bytes([n]) * 32, n), CScript(script), n) for n, script in enumerate(scripts)]
    transaction = CMutableTransaction(inputs, [CTxOut(value, CScript(b"\x51" * 300))], 77, 2)
    if witness:
        transaction.wit = CTxWitness([CTxInWitness(CScriptWitness(list(stack))) for stack in witness])
    raw: bytes = transaction.serialize()
    return raw


@pytest.mark.parametrize("name", ["seq-0", "seq-1", "seq-2"])
def test_reads_the_anchor_of_every_vector(name: str):
    vector = load("commitment", name)
    raw, stripped = bytes.fromhex(vector["raw_tx"]), bytes.fromhex(vector["stripped_tx"])

    anchor = read_anchor(raw)

    assert anchor == read_anchor(stripped)
    assert anchor.head + anchor.commitment + anchor.tail == stripped
    assert anchor.commitment.hex() == vector["batch"]["commitment"]
    assert anchor.txid[::-1].hex() == vector["txid"]
    assert anchor.continuation == anchor.txid + bytes(4)
    assert commitment_script(anchor.commitment) in raw


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.lists(st.binary(max_size=300), min_size=1, max_size=3)
)
def test_parses_what_python_bitcoinlib_writes(scripts: Sequence[bytes], stack: list[bytes]):
    raw = make_raw(scripts=scripts, witness=[stack] * len(scripts))

    transaction = parse_transaction(raw)

    assert transaction.stripped == make_raw(scripts=scripts)
    assert transaction.txid == CTransaction.deserialize(raw).GetTxid() == transaction_id(transaction.stripped)
    assert len(transaction.outpoints) == len(scripts)


def test_parses_scripts_of_every_size_class():
    raw = make_raw(scripts=[b"", b"1" * 252, b"2" * 253, b"3" * 65535, b"4" * 65536])

    assert parse_transaction(raw).stripped == raw


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_byte_is_another_transaction_or_none(position: int, flip: int):
    raw = bytearray(make_raw())
    original = transaction_id(bytes(raw))
    raw[position % len(raw)] ^= flip
    try:
        assert transaction_id(bytes(raw)) != original
    except MalformedTransactionError:
        return


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_raise_our_error(data: bytes):
    try:
        read_anchor(data)
    except InvalidProofError:
        return


RAW = make_raw()


@pytest.mark.parametrize(
    "raw",
    [
        b"", RAW[:-1], RAW + b"\0", RAW[:4] + b"\0\0" + RAW[4:], RAW[:4] + b"\0\2" + RAW[4:],
        RAW[:4] + b"\0\1" + RAW[4:-4] + b"\0" + RAW[-4:],
        RAW[:4] + b"\0\1\0" + RAW[5:], RAW[:4] + b"\xfd\1\0" + RAW[5:], RAW[:4] + b"\xfe\1\0\0\0" + RAW[5:],
        RAW[:4] + b"\xff\1" + bytes(7) + RAW[5:], RAW[:4] + b"\xff" * 9 + RAW[5:], RAW[:46] + b"\0" + RAW[-4:],
    ],
)  # fmt: skip
def test_refuses_bytes_that_are_not_one_transaction_in_its_one_encoding(raw: bytes):
    with pytest.raises(MalformedTransactionError):
        parse_transaction(raw)


def test_bytes_are_like_a_transaction_only_if_no_output_is_worth_more_than_all_money():
    assert is_transaction_like(make_raw(value=MONEY_MAX))
    assert not is_transaction_like(make_raw(value=MONEY_MAX + 1))
    assert not is_transaction_like(bytes(64))


def test_refuses_an_anchor_that_no_timestamp_could_hold():
    commitment = bytes(32)
    outputs = [CTxOut(1, CScript()), CTxOut(0, CScript(commitment_script(commitment)))]
    fitting, large = (
        CMutableTransaction([CTxIn(COutPoint(), CScript(bytes(length)))], outputs, 0, 2).serialize()
        for length in (3900, 4000)
    )

    assert read_anchor(fitting).commitment == commitment
    with pytest.raises(AnchorShapeError, match="4096"):
        read_anchor(large)


def test_refuses_a_commitment_of_another_length():
    with pytest.raises(AnchorShapeError):
        commitment_script(bytes(31))
