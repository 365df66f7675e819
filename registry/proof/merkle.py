"""The two Merkle trees of a proof: the batch's, and the block's.

The batch's tree has RFC 6962's shape without its prefixes (what merkletools builds): a last node without a
neighbour moves up unchanged. The block's is Bitcoin's: it is joined with itself, and nodes are hashed twice.

A level of a batch's tree is one bytes object, its nodes of 32 bytes joined in order: a million leaves and all that is
above them take 64 MB so, a third of what as many objects would, and reading pairs out of it is faster, too.
"""

import hashlib
import struct
from collections.abc import Sequence

from registry.proof.errors import BatchPathError, BlockPathError
from registry.proof.hashes import HASH_BYTES, sha256, sha256d
from registry.proof.transactions import is_transaction_like

BLOCK_DEPTH_MAX = 24
"""A block of 4,000,000 weight units holds fewer than 2**17 transactions; the rest is room."""

PAIR_BYTES = 2 * HASH_BYTES
PAIR = f"{PAIR_BYTES}s"
PIECE_PAIRS = 512
"""Pairs that are cut out of a level at once: few enough to stay in a processor's cache."""

PIECE = struct.Struct(PAIR * PIECE_PAIRS)


def merkle_levels(leaves: Sequence[bytes]) -> list[bytes]:
    """Return every level of a batch's tree, leaves first, root last; each is its nodes of 32 bytes, joined.

    Raises BatchPathError if there is no leaf, or one is not 32 bytes.
    """
    return levels_from_joined(_join_leaves(leaves))


def levels_from_joined(leaves: bytes) -> list[bytes]:
    """Return every level of a batch's tree from its leaves, which are joined already.

    Raises BatchPathError if there is no leaf, or the last one is cut off.
    """
    if not leaves or len(leaves) % HASH_BYTES:
        raise BatchPathError("a batch has at least one leaf, and every leaf is 32 bytes")
    levels = [leaves]
    while len(levels[-1]) > HASH_BYTES:
        levels.append(_join_pairs(levels[-1]))
    return levels


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a batch's leaves, 32 bytes.

    Raises BatchPathError if there is no leaf, or one is not 32 bytes.
    """
    return merkle_levels(leaves)[-1]


def path_from_levels(levels: Sequence[bytes], position: int) -> tuple[bytes, ...]:
    """Return the neighbours on the way from a leaf to the root.

    Raises BatchPathError if the tree has no such leaf.
    """
    if not 0 <= position < len(levels[0]) // HASH_BYTES:
        raise BatchPathError(f"the batch has no leaf at position {position}")
    path = []
    for level in levels:
        at = (position ^ 1) * HASH_BYTES
        if at < len(level):
            path.append(level[at : at + HASH_BYTES])
        position >>= 1
    return tuple(path)


def merkle_path(leaves: Sequence[bytes], position: int) -> tuple[bytes, ...]:
    """Return one leaf's path.

    Raises BatchPathError if there is no such leaf, or one is not 32 bytes.
    """
    return path_from_levels(merkle_levels(leaves), position)


def _join_leaves(leaves: Sequence[bytes]) -> bytes:
    pieces = []
    for start in range(0, len(leaves), PIECE_PAIRS):
        piece = leaves[start : start + PIECE_PAIRS]
        if set(map(len, piece)) != {HASH_BYTES}:
            raise BatchPathError("every leaf is 32 bytes")
        pieces.append(b"".join(piece))
    return b"".join(pieces)


def _join_pairs(below: bytes) -> bytes:
    """Return the level above one: each pair's hash, and a last node without a neighbour as it is.

    In pieces, so that the hashes exist as objects of their own for a moment only.
    """
    make_hash, unpack = hashlib.sha256, PIECE.unpack_from
    end = len(below) - len(below) % PAIR_BYTES
    end_of_pieces = end - end % PIECE.size
    above = [
        b"".join([make_hash(pair).digest() for pair in unpack(below, start)])
        for start in range(0, end_of_pieces, PIECE.size)
    ]
    rest = struct.iter_unpack(PAIR, memoryview(below)[end_of_pieces:end])
    above.extend(make_hash(pair).digest() for (pair,) in rest)
    above.append(below[end:])
    return b"".join(above)


def path_sides(position: int, size: int) -> list[bool]:
    """Return, for each step of a leaf's path, whether the neighbour stands on the left.

    The shape follows from (position, size) alone, so a proof cannot choose it.
    Raises BatchPathError if the tree has no such leaf.
    """
    if not 0 <= position < size:
        raise BatchPathError(f"a batch of {size} leaves has none at position {position}")
    sides = []
    while size > 1:
        if position ^ 1 < size:
            sides.append(position % 2 == 1)
        position //= 2
        size = (size + 1) // 2
    return sides


def root_from_path(*, leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> bytes:
    """Return the batch root that a leaf's path leads to.

    Raises BatchPathError if the path's length does not follow from (position, size).
    """
    sides = path_sides(position, size)
    if len(path) != len(sides):
        raise BatchPathError(f"a path of {len(path)} steps where {len(sides)} belong")
    node = leaf
    for neighbour, is_left in zip(path, sides, strict=True):
        node = sha256(neighbour + node if is_left else node + neighbour)
    return node


def block_merkle_path(txids: Sequence[bytes], tx_index: int) -> tuple[bytes, ...]:
    """Return the neighbours on the way from a transaction to its block's Merkle root, in internal order.

    Raises BlockPathError if the block has no such transaction.
    """
    if not 0 <= tx_index < len(txids):
        raise BlockPathError(f"the block has no transaction {tx_index}")
    path = []
    level = list(txids)
    while len(level) > 1:
        level += level[-1:] if len(level) % 2 else []
        path.append(level[tx_index ^ 1])
        level = [sha256d(left + right) for left, right in zip(level[::2], level[1::2], strict=True)]
        tx_index //= 2
    return tuple(path)


def block_root_from_path(*, txid: bytes, tx_index: int, path: Sequence[bytes]) -> bytes:
    """Return the block's Merkle root that a transaction's path leads to.

    Raises BlockPathError if the path is too long or too short for the index, if a left neighbour equals its
    right one
    (CVE-2012-2459), or if two joined nodes could be a transaction (CVE-2017-12842).
    """
    if len(path) > BLOCK_DEPTH_MAX or tx_index >> len(path):
        raise BlockPathError(f"no path of {len(path)} steps leads to transaction {tx_index}")
    node = txid
    for height, neighbour in enumerate(path):
        is_left = tx_index >> height & 1
        if is_left and neighbour == node:
            raise BlockPathError("a left neighbour is repeated on the right: the same block with other transactions")
        joined = neighbour + node if is_left else node + neighbour
        if is_transaction_like(joined):
            raise BlockPathError("two joined nodes are themselves a transaction")
        node = sha256d(joined)
    return node
