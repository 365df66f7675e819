"""Transactions and blocks: read, built and signed.

Serialisation and signature hashes are python-bitcoinlib's; signatures are libsecp256k1's, deterministic and
low-S. Transaction ids and block hashes are hex in display order; scripts and raw transactions are bytes;
values are int sat.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bitcoin.core import (
    CBlock,
    CMutableTransaction,
    CMutableTxIn,
    CMutableTxOut,
    COutPoint,
    CTransaction,
    CTxInWitness,
    CTxWitness,
    Hash,
    b2lx,
    lx,
)
from bitcoin.core.script import SIGHASH_ALL, SIGVERSION_WITNESS_V0, CScript, CScriptWitness, SignatureHash
from bitcoin.core.serialize import SerializationError

from chain.errors import SigningError, TransactionFormatError
from chain.keys import Key

SEQUENCE_REPLACEABLE = 0xFFFFFFFD
"""Opts in to replacement (BIP 125) and lets nLockTime count."""

P2WPKH_INPUT_WEIGHT = 4 * 41 + 1 + 1 + 72 + 1 + 33
"""Outpoint, empty script, sequence; then the witness: count, signature of at most 72 bytes (low-S),
public key."""

VALUE_SAT_MAX = 21_000_000 * 100_000_000
HEADER_BYTES = 80
_VARINT_ONE_BYTE_MAX = 252
_VARINT_THREE_BYTES_MAX = 0xFFFF
_SMALL_INTEGER_OPCODES = range(0x51, 0x61)
_HEIGHT_BYTES_MAX = 5

# What python-bitcoinlib raises on bytes that are no transaction or block.
_PARSING_ERRORS = (SerializationError, ValueError, OverflowError, MemoryError, IndexError, TypeError)


@dataclass(frozen=True)
class Coin:
    """An unspent output that a transaction is to spend."""

    txid: str
    vout: int
    value_sat: int
    script: bytes


@dataclass(frozen=True)
class Output:
    """One output: its value in satoshi and its script."""

    value_sat: int
    script: bytes


@dataclass(frozen=True)
class Input:
    """One input: the outpoint that it spends, its script, sequence and witness stack."""

    txid: str
    vout: int
    script: bytes
    sequence: int
    witness: tuple[bytes, ...]


@dataclass(frozen=True)
class Transaction:
    """One transaction, with its serialisation (witness included)."""

    txid: str
    version: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    lock_time: int
    raw: bytes

    @property
    def is_coinbase(self) -> bool:
        """Tell whether it creates its block's subsidy."""
        return len(self.inputs) == 1 and self.inputs[0].txid == "00" * 32


@dataclass(frozen=True)
class Block:
    """One block; `header` is its 80 bytes and `time` its own clock in Unix seconds."""

    hash: str
    previous_hash: str
    height: int
    time: int
    header: bytes
    transactions: tuple[Transaction, ...]


def build_transaction(
    *,
    coins: Sequence[Coin],
    outputs: Sequence[Output],
    lock_time: int,
    sequence: int = SEQUENCE_REPLACEABLE,
) -> bytes:
    """Build an unsigned version 2 transaction with exactly these inputs and outputs, in this order.

    Raises TransactionFormatError if it has no inputs or outputs, spends an outpoint twice, or a value is out
    of range.
    """
    if not coins or not outputs:
        raise TransactionFormatError("a transaction needs at least one input and one output")
    if len({(coin.txid, coin.vout) for coin in coins}) != len(coins):
        raise TransactionFormatError("a transaction cannot spend one output twice")
    for output in outputs:
        if not 0 <= output.value_sat <= VALUE_SAT_MAX:
            raise TransactionFormatError(f"an output of {output.value_sat} sat is out of range")
    inputs = [CMutableTxIn(COutPoint(lx(coin.txid), coin.vout), CScript(), sequence) for coin in coins]
    paid = [CMutableTxOut(output.value_sat, CScript(output.script)) for output in outputs]
    return bytes(CMutableTransaction(inputs, paid, lock_time, 2).serialize())


def sign_transaction(raw: bytes, *, coins: Sequence[Coin], keys: Mapping[bytes, Key]) -> bytes:
    """Sign every input, each a P2WPKH spend of the coin at the same place (BIP 143, SIGHASH_ALL).

    `keys` maps an output script to its key. Raises SigningError if the coins are not those that the inputs
    spend, or a key is missing.
    """
    parsed = _parse(raw)
    spent = [(b2lx(item.prevout.hash), item.prevout.n) for item in parsed.vin]
    if spent != [(coin.txid, coin.vout) for coin in coins]:
        raise SigningError("the coins are not the ones that the transaction's inputs spend")
    witnesses = []
    for index, coin in enumerate(coins):
        key = keys.get(coin.script)
        if key is None or key.script_pubkey != coin.script:
            raise SigningError(f"no P2WPKH key for script {coin.script.hex()} of {coin.txid}:{coin.vout}")
        digest = SignatureHash(
            CScript(key.script_code), parsed, index, SIGHASH_ALL, coin.value_sat, SIGVERSION_WITNESS_V0
        )
        signature = key.sign(digest) + bytes([SIGHASH_ALL])
        witnesses.append(CTxInWitness(CScriptWitness([signature, key.public_key])))
    signed = CMutableTransaction.from_tx(parsed)
    signed.wit = CTxWitness(witnesses)
    return bytes(signed.serialize())


def transaction_id(raw: bytes) -> str:
    """Return the transaction's id, which its witness does not change."""
    return str(b2lx(_parse(raw).GetTxid()))


def witness_transaction_id(raw: bytes) -> str:
    """Return the id that includes the witness (BIP 141)."""
    return str(b2lx(_parse(raw).GetHash()))


def weight(raw: bytes) -> int:
    """Return the transaction's weight in units (BIP 141)."""
    stripped = len(_parse(raw).serialize(dict(include_witness=False)))  # noqa: C408  bitcoinlib's own calling form
    return 3 * stripped + len(raw)


def virtual_size(raw: bytes) -> int:
    """Return the transaction's virtual size in vbytes, rounded up (BIP 141)."""
    return -(-weight(raw) // 4)


def estimate_virtual_size(n_in: int, output_scripts: Sequence[bytes]) -> int:
    """Return the most vbytes that a transaction with `n_in` P2WPKH inputs and these outputs can have
    once signed."""
    base = 4 + 4 + _varint_bytes(n_in) + _varint_bytes(len(output_scripts))
    base += sum(8 + _varint_bytes(len(script)) + len(script) for script in output_scripts)
    marker_and_flag = 2
    return -(-(4 * base + marker_and_flag + n_in * P2WPKH_INPUT_WEIGHT) // 4)


def parse_transaction(raw: bytes) -> Transaction:
    """Read one transaction; trailing bytes are refused.

    Raises TransactionFormatError if the bytes are anything else.
    """
    return _to_transaction(_parse(raw), raw)


def parse_block(raw: bytes, *, height: int | None = None) -> Block:
    """Read one block; without `height` it is the one that the coinbase names (BIP 34), or 0 where that is
    genesis.

    Reading is not validation: the node that the block came from has done that.
    Raises TransactionFormatError if the bytes are no block, or name no height and none is given.
    """
    try:
        parsed = CBlock.deserialize(raw)
        transactions = tuple(_to_transaction(item, item.serialize()) for item in parsed.vtx)
    except _PARSING_ERRORS as error:
        raise TransactionFormatError(f"not a block: {error}") from error
    if not transactions:
        raise TransactionFormatError("a block has at least one transaction")
    previous_hash = b2lx(parsed.hashPrevBlock)
    if height is None:
        height = 0 if previous_hash == "00" * 32 else _read_height(transactions[0])
    return Block(
        hash=b2lx(parsed.GetHash()),
        previous_hash=previous_hash,
        height=height,
        time=parsed.nTime,
        header=raw[:HEADER_BYTES],
        transactions=transactions,
    )


def block_hash(header: bytes) -> str:
    """Return the hash of a block's 80-byte header."""
    return str(b2lx(Hash(header)))


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of Bitcoin's Merkle tree over at least one hash (internal byte order)."""
    level = list(hashes)
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [Hash(left + right) for left, right in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _read_height(coinbase: Transaction) -> int:
    """Read the height that a block's coinbase must begin with (BIP 34)."""
    script = coinbase.inputs[0].script if coinbase.is_coinbase else b""
    first = script[0] if script else 0
    if first in _SMALL_INTEGER_OPCODES:
        return first - _SMALL_INTEGER_OPCODES.start + 1
    pushed = script[1 : 1 + first]
    if not 1 <= first <= _HEIGHT_BYTES_MAX or len(pushed) != first:
        raise TransactionFormatError("the block's coinbase names no height")
    return int.from_bytes(pushed, "little")


def _parse(raw: bytes) -> CTransaction:
    """Deserialise strictly, with one error for everything that can be wrong."""
    try:
        parsed = CTransaction.deserialize(raw)
        if parsed.serialize() != raw:
            raise TransactionFormatError("not a transaction: it is not in its one canonical form")
    except _PARSING_ERRORS as error:
        raise TransactionFormatError(f"not a transaction: {error}") from error
    return parsed


def _to_transaction(parsed: CTransaction, raw: bytes) -> Transaction:
    """Turn python-bitcoinlib's transaction into ours, which compares by value and has types."""
    witnesses = [tuple(item.scriptWitness.stack) for item in parsed.wit.vtxinwit]
    witnesses += [()] * (len(parsed.vin) - len(witnesses))
    return Transaction(
        txid=b2lx(parsed.GetTxid()),
        version=parsed.nVersion,
        inputs=tuple(
            Input(b2lx(item.prevout.hash), item.prevout.n, bytes(item.scriptSig), item.nSequence, witness)
            for item, witness in zip(parsed.vin, witnesses, strict=True)
        ),
        outputs=tuple(Output(item.nValue, bytes(item.scriptPubKey)) for item in parsed.vout),
        lock_time=parsed.nLockTime,
        raw=raw,
    )


def _varint_bytes(value: int) -> int:
    """Return how many bytes Bitcoin's variable-length integer takes for a count."""
    if value <= _VARINT_ONE_BYTE_MAX:
        return 1
    return 3 if value <= _VARINT_THREE_BYTES_MAX else 5
