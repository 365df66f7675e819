"""The leaves that the rows measure with, and the loop that bounds every tree."""

import hashlib

LEAVES = 1_000_000


def make_leaves(count: int) -> list[bytes]:
    """Return distinct leaves of 32 bytes."""
    return [hashlib.sha256(number.to_bytes(8)).digest() for number in range(count)]


def hash_bare(leaves: list[bytes]) -> bytes:
    """Hash as many pairs as a tree has inner nodes, and nothing else: the limit of any tree in this language."""
    pair = leaves[0] + leaves[1]
    digest = b""
    sha256 = hashlib.sha256
    for _ in range(len(leaves) - 1):
        digest = sha256(pair).digest()
    return digest
