"""Headers that the tests mine, by python-bitcoinlib, at regtest's easiest target or near it."""

import hashlib
from collections.abc import Mapping

from bitcoin.core import CBlockHeader, uint256_from_compact

EASIEST_BITS = 0x207FFFFF
BEGIN_TIME = 1_296_688_602
REGTEST_GENESIS = CBlockHeader(
    1,
    bytes(32),
    bytes.fromhex("3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"),
    BEGIN_TIME,
    EASIEST_BITS,
    2,
).serialize()


def mine(previous: bytes, *, time: int, bits: int = EASIEST_BITS, root: bytes | None = None) -> bytes:
    """Return a header that meets its bits. Without a root it has one that follows from the header before it."""
    root = hashlib.sha256(previous).digest() if root is None else root
    target = uint256_from_compact(bits)
    for nonce in range(1 << 20):
        header = CBlockHeader(4, previous, root, time, bits, nonce)
        if int.from_bytes(header.GetHash(), "little") <= target:
            raw: bytes = header.serialize()
            return raw
    raise RuntimeError("no nonce meets the target")


def get_hash(header: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(header).digest()).digest()


def mine_regtest(count: int, *, spacing_s: int = 600, roots: Mapping[int, bytes] | None = None) -> bytes:
    """Return so many of regtest's headers, from its genesis block on, with the Merkle roots that are given."""
    chain = [REGTEST_GENESIS]
    for height in range(1, count):
        root = None if roots is None else roots.get(height)
        chain.append(mine(get_hash(chain[-1]), time=BEGIN_TIME + spacing_s * height, root=root))
    return b"".join(chain)
