"""Writing our own .ots: one straight way from a blob's SHA-256 to a block header.

What follows the batch's root is the same for every record of a batch, and what follows an inner node is the same
for every record below it: each is written once, then joined to each record's own part. The stock library reads and
writes the result byte for byte.
"""

import struct
from collections.abc import Iterator, Sequence

from registry.proof.commitments import Batch, commitment_head
from registry.proof.errors import BatchPathError
from registry.proof.hashes import HASH_BYTES
from registry.proof.leaves import LEAF_TAG, Record, leaf_preimage
from registry.proof.merkle import merkle_levels, path_from_levels, path_sides
from registry.proof.packed import RECORD_BYTES, hash_packed
from registry.proof.readers import CONTINUED
from registry.proof.timestamps import APPEND, ATTESTATION, BITCOIN, MAGIC, MAJOR_VERSION, PREPEND, SHA256
from registry.proof.transactions import read_anchor

_SHA256 = bytes([SHA256])
_START = MAGIC + bytes([MAJOR_VERSION]) + _SHA256
_TO_KIND = bytes([PREPEND, len(LEAF_TAG) + 1]) + LEAF_TAG
_TO_REST = bytes([APPEND, RECORD_BYTES - 1 - HASH_BYTES])
_PAIR = struct.Struct(f"{HASH_BYTES}s{HASH_BYTES}s")
_TO_LEFT, _TO_RIGHT = bytes([PREPEND, HASH_BYTES]), bytes([APPEND, HASH_BYTES])


def write_timestamp(*, record: Record, position: int, size: int, path: Sequence[bytes], suffix: bytes) -> bytes:
    """Return a record's .ots.

    `position` is the leaf's in a batch of `size` leaves, `path` its neighbours (32 bytes each), and `suffix`
    what write_timestamp_suffix returned for the batch.
    Raises BatchPathError if the path's length does not follow from position and size.
    """
    head, tail = leaf_preimage(record)
    parts = [_START, record.sha256]
    parts += [_operation(PREPEND, head), _operation(APPEND, tail), _SHA256]
    return b"".join((*parts, _write_path(path, position, size), suffix))


def write_piece_suffixes(*, piece_roots: Sequence[bytes], suffix: bytes) -> Iterator[bytes]:
    """Yield, for each piece of a batch, what all .ots of its records end with.

    `piece_roots` are the roots of the batch's pieces of PIECE_RECORDS records, and `suffix` is what
    write_timestamp_suffix returned for the batch.
    Raises BatchPathError if there is no piece.
    """
    levels = merkle_levels(piece_roots)
    for place in range(len(piece_roots)):
        yield _write_path(path_from_levels(levels, place), place, len(piece_roots)) + suffix


def write_piece_timestamps(packed: bytes, *, suffix: bytes) -> list[bytes]:
    """Return the .ots of every record of a piece, in order, given as packed records.

    `suffix` is the piece's from write_piece_suffixes.
    Raises InvalidRecordError if the bytes are not packed records, BatchPathError if there are none.
    """
    suffixes = [suffix]
    for nodes in reversed(merkle_levels(hash_packed(packed))[:-1]):
        suffixes = _lengthen_suffixes(nodes, suffixes)
    records = [packed[start : start + RECORD_BYTES] for start in range(0, len(packed), RECORD_BYTES)]
    return [
        b"".join((_START, record[1:33], _TO_KIND, record[:1], _TO_REST, record[33:], _SHA256, after))
        for record, after in zip(records, suffixes, strict=True)
    ]


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


def _lengthen_suffixes(nodes: bytes, above: Sequence[bytes]) -> list[bytes]:
    """Return the suffix of each node of a level from those of the level above."""
    pairs = len(nodes) // _PAIR.size
    suffixes: list[bytes] = []
    for (left, right), after in zip(_PAIR.iter_unpack(nodes[: pairs * _PAIR.size]), above[:pairs], strict=True):
        suffixes += (_TO_RIGHT + right + _SHA256 + after, _TO_LEFT + left + _SHA256 + after)
    # A last node without a neighbour moved up unchanged.
    suffixes += above[pairs:]
    return suffixes


def _write_path(path: Sequence[bytes], position: int, size: int) -> bytes:
    """Return the operations that lead along a path.

    Raises BatchPathError if the path's length does not follow from position and size.
    """
    sides = path_sides(position, size)
    if len(path) != len(sides):
        raise BatchPathError(f"a path of {len(path)} steps where {len(sides)} belong")
    return b"".join(
        _operation(PREPEND if is_left else APPEND, neighbour) + _SHA256
        for neighbour, is_left in zip(path, sides, strict=True)
    )


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
