"""The Merkle rows: trees and paths, against a bare hashing loop and against another library."""

from functools import partial

from bench.leaves import LEAVES, hash_bare, make_leaves
from bench.memory import measure_memory
from bench.peers.run import run_peer
from bench.rows import Row, compare, time_call
from registry.proof.merkle import merkle_levels
from registry.trees import SUBTREE_LEAVES, build_root

PEER_LEAVES = 100_000


def measure() -> list[Row]:
    """Return the Merkle rows."""
    leaves, few = make_leaves(LEAVES), make_leaves(PEER_LEAVES)
    bare = partial(time_call, partial(hash_bare, leaves))
    name = f"a bare loop of {LEAVES:,} hashes"
    return [
        compare(
            f"root of {LEAVES:,} leaves, as sealing builds it",
            partial(time_call, partial(build_in_subtrees, leaves)),
            name,
            bare,
            bar=1.3,
        ),
        compare(
            f"tree and path data of {LEAVES:,} leaves",
            partial(time_call, partial(merkle_levels, leaves)),
            name,
            bare,
            bar=1.3,
        ),
        measure_memory("tree", name=f"memory that this tree of {LEAVES:,} leaves adds", limit_mb=120),
        compare(
            f"root of {PEER_LEAVES:,} leaves",
            partial(time_call, partial(build_root, few)),
            "pymerkle",
            partial(run_peer, "pymerkle_root", str(PEER_LEAVES)),
            bar=1.0,
        ),
    ]


def build_in_subtrees(leaves: list[bytes]) -> bytes:
    """Return the root over the roots of the subtrees."""
    return build_root([build_root(leaves[at : at + SUBTREE_LEAVES]) for at in range(0, len(leaves), SUBTREE_LEAVES)])
