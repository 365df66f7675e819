"""A batch's Merkle tree, built by merkletools over binary leaves.

The root of a large batch is built in two stages: the roots of its subtrees of SUBTREE_LEAVES leaves, and the root over
these. A power of two of leaves is a whole subtree of this tree's shape, so both stages together give the same root.
"""

import warnings
from collections.abc import Sequence

with warnings.catch_warnings():
    # It warns that its SHA-3 module is missing, which SHA-256 does not need.
    warnings.simplefilter("ignore")
    import merkletools

HASH_BYTES = 32
SUBTREE_LEAVES = 1_024
"""Leaves of one subtree. The roots that a batch keeps are of this many leaves each, so it never changes."""


def build_root(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root of the leaves, or of the roots of equal subtrees, in their order, 32 bytes.

    The tree has the shape of RFC 6962 without its prefixes. A leaf's preimage is never 64 bytes long, so a leaf cannot
    be taken for an inner node. merkletools also validates proofs, too laxly to be trusted; registry.proof does that.
    Raises ValueError if there are no leaves or one is not 32 bytes.
    """
    if set(map(len, leaves)) != {HASH_BYTES}:
        raise ValueError("a tree needs leaves of 32 bytes")
    tree = merkletools.MerkleTools(hash_type="sha256")
    tree.leaves = list(leaves)
    tree.make_tree()
    return bytes(tree.levels[0][0])
