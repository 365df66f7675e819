"""Writing our own .ots: one straight way from a blob's SHA-256 to a block header.

What follows the batch's root is the same for every record of a batch: write it once, then join it to each
record's own part. The stock library reads and writes the result byte for byte.
"""

from collections.abc import Sequence

from registry.proof.commitments import Batch, commitment_head
from registry.proof.errors import BatchPathError
from registry.proof.leaves import Record, leaf_preimage
from registry.proof.merkle import path_sides
from registry.proof.readers import CONTINUED
from registry.proof.timestamps import APPEND, ATTESTATION, BITCOIN, MAGIC, MAJOR_VERSION, PREPEND, SHA256
from registry.proof.transactions import read_anchor

_SHA256 = bytes([SHA256])


def write_timestamp(*, record: Record, position: int, size: int, path: Sequence[bytes], suffix: bytes) -> bytes:
    """Return a record's .ots.

    `position` is the leaf's in a batch of `size` leaves, `path` its neighbours (32 bytes each), and `suffix`
    what write_timestamp_suffix returned for the batch.
    Raises BatchPathError if the path's length does not follow from position and size.
    """
    sides = path_sides(position, size)
    if len(path) != len(sides):
        raise BatchPathError(f"a path of {len(path)} steps where {len(sides)} belong")
    head, tail = leaf_preimage(record)
    parts = [MAGIC, bytes([MAJOR_VERSION]), _SHA256, record.sha256]
    parts += [_operation(PREPEND, head), _operation(APPEND, tail), _SHA256]
    for neighbour, is_left in zip(path, sides, strict=True):
        parts += [_operation(PREPEND if is_left else APPEND, neighbour), _SHA256]
    return b"".join((*parts, suffix))


def write_timestamp_suffix(
    *, batch: Batch, raw_tx: bytes, height: int, tx_index: int, block_path: Sequence[bytes]
) -> bytes:
    """Return what all .ots of one batch end with: root, commitment, anchor, block, attestation.

    Raises MalformedTransactionError or AnchorShapeError if the transaction is not an anchor.
    """
    anchor = read_anchor(raw_tx)
    parts = [_operation(PREPEND, commitment_head(batch)), _SHA256]
    parts += [_operation(PREPEND, anchor.head), _operation(APPEND, anchor.tail), _SHA256, _SHA256]
    for level, neighbour in enumerate(block_path):
        is_left = tx_index >> level & 1
        parts += [_operation(PREPEND if is_left else APPEND, neighbour), _SHA256, _SHA256]
    payload = _varuint(height)
    parts += [bytes([ATTESTATION]), BITCOIN, _varuint(len(payload)), payload]
    return b"".join(parts)


def _operation(tag: int, argument: bytes) -> bytes:
    return bytes([tag]) + _varuint(len(argument)) + argument


def _varuint(value: int) -> bytes:
    """Encode as little-endian base 128, the shortest way."""
    encoded = bytearray()
    while value >= CONTINUED:
        encoded.append(value % CONTINUED | CONTINUED)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
