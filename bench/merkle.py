"""The Merkle rows: trees and paths, against a bare hashing loop and against another library.

What the proofs of a batch need of its tree are the levels: each hash of each path stands in one of them, 32 bytes at a
place that the leaf's position tells, so the levels are the paths' data, once. The row with the bar builds these. A
million paths as objects of their own would be the same bytes ten times over, and no command holds or makes them: one
proof cuts one path, and an archive writes a piece's proofs from the piece's levels. What cutting every path one by one
costs stands in a row of its own, without a bar.
"""

from functools import partial

from bench.leaves import LEAVES, hash_bare, make_leaves
from bench.memory import measure_memory
from bench.peers.run import run_peer
from bench.rows import Row, compare, time_call
from registry.proof.hashes import HASH_BYTES
from registry.proof.merkle import merkle_levels, path_from_levels
from registry.trees import SUBTREE_LEAVES, build_root

PEER_LEAVES = 100_000


def measure(*, count: int = LEAVES, few_count: int = PEER_LEAVES) -> list[Row]:
    """Return the rows of trees of so many leaves, and of paths of fewer."""
    leaves, few = make_leaves(count), make_leaves(few_count)
    bare = partial(time_call, partial(hash_bare, leaves))
    name = f"a bare loop of {count:,} hashes"
    return [
        compare(
            f"root of {count:,} leaves, as sealing builds it",
            partial(time_call, partial(build_in_subtrees, leaves)),
            name,
            bare,
            bar=1.3,
        ),
        compare(
            f"levels of {count:,} leaves, the data of all paths",
            partial(time_call, partial(merkle_levels, leaves)),
            name,
            bare,
            bar=1.3,
        ),
        measure_memory("tree", count=count, name=f"memory that these levels of {count:,} leaves add", limit_mb=120),
        compare(
            f"paths of {few_count:,} leaves cut from levels, one by one",
            partial(time_call, partial(cut_paths, merkle_levels(few))),
            f"a bare loop of {few_count:,} hashes",
            partial(time_call, partial(hash_bare, few)),
        ),
    ]


def measure_peers(*, count: int = PEER_LEAVES) -> list[Row]:
    """Return the row of another library's tree of so many leaves. The peers must be installed."""
    return [
        compare(
            f"root of {count:,} leaves",
            partial(time_call, partial(build_root, make_leaves(count))),
            "pymerkle",
            partial(run_peer, "pymerkle_root", str(count)),
            bar=1.0,
        )
    ]


def build_in_subtrees(leaves: list[bytes]) -> bytes:
    """Return the root over the roots of the subtrees."""
    return build_root([build_root(leaves[at : at + SUBTREE_LEAVES]) for at in range(0, len(leaves), SUBTREE_LEAVES)])


def cut_paths(levels: list[bytes]) -> int:
    """Cut the path of every leaf from a tree's levels, and return how many hashes they had together."""
    return sum(len(path_from_levels(levels, position)) for position in range(len(levels[0]) // HASH_BYTES))
