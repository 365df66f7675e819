"""Bitcoin transactions, and the shape that makes one of them an anchor: docs/reference/format-anchor.md."""

from dataclasses import dataclass

from registry.proof.commitments import encode_outpoint
from registry.proof.errors import AnchorShapeError, MalformedTransactionError
from registry.proof.hashes import HASH_BYTES, sha256d
from registry.proof.readers import SIZE_PREFIX_MIN, ByteReader

ANCHOR_MARKER = bytes.fromhex("6a24") + b"CDS1"
"""OP_RETURN, a push of 36 bytes, and the first four of them; the commitment follows."""

ANCHOR_VERSION = 2
ANCHOR_INPUTS_MAX = 3
ANCHOR_OUTPUTS = 2
ANCHOR_BYTES_MAX = 4096
"""Without witness: what one OpenTimestamps operation can produce."""

MONEY_MAX = 21_000_000 * 100_000_000
"""No output of a valid transaction is worth more satoshi."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output: its value in satoshi and its script."""

    value_sat: int
    script: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction. `outpoints` are what it spends, 36 bytes each; `stripped` is it without witness."""

    version: int
    outpoints: tuple[bytes, ...]
    outputs: tuple[Output, ...]
    stripped: bytes
    txid: bytes


@dataclass(frozen=True, slots=True)
class Anchor:
    """An anchor, split around its commitment: head + commitment + tail is the transaction without witness."""

    txid: bytes
    spends: bytes
    continuation: bytes
    head: bytes
    commitment: bytes
    tail: bytes


def parse_transaction(raw: bytes) -> Transaction:
    """Parse one transaction, with or without witness.

    Raises MalformedTransactionError if the bytes are not exactly one transaction, in its one encoding (BIP
    144).
    """
    reader = ByteReader(raw, MalformedTransactionError)
    version = reader.take(4)
    has_witness = raw[4:5] == b"\0"
    if has_witness and reader.take(2) != b"\0\1":
        raise MalformedTransactionError("no input")
    inputs = [_take_input(reader) for _ in range(_take_count(reader, "input"))]
    outputs = [_take_output(reader) for _ in range(_take_count(reader, "output"))]
    if has_witness:
        _skip_witnesses(reader, len(inputs))
    lock_time = reader.take(4)
    reader.finish()
    stripped = b"".join(
        (
            version,
            _compact_size(len(inputs)),
            *inputs,
            _compact_size(len(outputs)),
            *map(_encode_output, outputs),
        )
    )
    stripped += lock_time
    return Transaction(
        version=int.from_bytes(version, "little"),
        outpoints=tuple(item[:36] for item in inputs),
        outputs=tuple(outputs),
        stripped=stripped,
        txid=sha256d(stripped),
    )


def transaction_id(raw: bytes) -> bytes:
    """Return the txid, 32 bytes in internal byte order. Raises MalformedTransactionError."""
    return parse_transaction(raw).txid


def is_transaction_like(data: bytes) -> bool:
    """Say whether bytes could stand in a block as a transaction without witness."""
    try:
        transaction = parse_transaction(data)
    except MalformedTransactionError:
        return False
    return all(output.value_sat <= MONEY_MAX for output in transaction.outputs)


def read_anchor(raw: bytes) -> Anchor:
    """Read a transaction as an anchor.

    Raises MalformedTransactionError if it is not a transaction, AnchorShapeError if it is not an anchor.
    """
    transaction = parse_transaction(raw)
    if transaction.version != ANCHOR_VERSION:
        raise AnchorShapeError(f"version {transaction.version}, not {ANCHOR_VERSION}")
    if len(transaction.outpoints) > ANCHOR_INPUTS_MAX:
        raise AnchorShapeError(f"{len(transaction.outpoints)} inputs, more than {ANCHOR_INPUTS_MAX}")
    if len(transaction.outputs) != ANCHOR_OUTPUTS:
        raise AnchorShapeError(f"{len(transaction.outputs)} outputs, not {ANCHOR_OUTPUTS}")
    if len(transaction.stripped) > ANCHOR_BYTES_MAX:
        raise AnchorShapeError(f"{len(transaction.stripped)} bytes, more than {ANCHOR_BYTES_MAX}")
    script = transaction.outputs[1].script
    if len(script) != len(ANCHOR_MARKER) + HASH_BYTES or not script.startswith(ANCHOR_MARKER):
        raise AnchorShapeError("the second output does not carry a commitment")
    # The commitment is the end of the last output, so only nLockTime (4 bytes) follows it.
    return Anchor(
        txid=transaction.txid,
        spends=transaction.outpoints[0],
        continuation=encode_outpoint(transaction.txid, 0),
        head=transaction.stripped[:-36],
        commitment=transaction.stripped[-36:-4],
        tail=transaction.stripped[-4:],
    )


def commitment_script(commitment: bytes) -> bytes:
    """Return the script of an anchor's second output.

    Raises AnchorShapeError if the commitment is not 32 bytes.
    """
    if len(commitment) != HASH_BYTES:
        raise AnchorShapeError("a commitment is 32 bytes")
    return ANCHOR_MARKER + commitment


def _take_count(reader: ByteReader, name: str) -> int:
    """Return how many follow; a false count runs into the end of the bytes, so it needs no limit."""
    count = reader.take_compact_size()
    if not count:
        raise MalformedTransactionError(f"no {name}")
    return count


def _take_input(reader: ByteReader) -> bytes:
    outpoint = reader.take(36)
    script = reader.take(reader.take_compact_size())
    return outpoint + _compact_size(len(script)) + script + reader.take(4)


def _take_output(reader: ByteReader) -> Output:
    value_sat = reader.take_little(8)
    return Output(value_sat=value_sat, script=reader.take(reader.take_compact_size()))


def _encode_output(output: Output) -> bytes:
    return output.value_sat.to_bytes(8, "little") + _compact_size(len(output.script)) + output.script


def _skip_witnesses(reader: ByteReader, input_count: int) -> None:
    """Pass over the witnesses. All empty is a second encoding of the same transaction: refused."""
    item_count = 0
    for _ in range(input_count):
        items = reader.take_compact_size()
        item_count += items
        for _ in range(items):
            reader.take(reader.take_compact_size())
    if not item_count:
        raise MalformedTransactionError("a witness without items")


def _compact_size(value: int) -> bytes:
    if value < SIZE_PREFIX_MIN:
        return value.to_bytes(1)
    if value < 1 << 16:
        return b"\xfd" + value.to_bytes(2, "little")
    # A proof is at most 1 MiB, so no count or script in it needs the form of eight bytes.
    return b"\xfe" + value.to_bytes(4, "little")
