"""Makes the leaves of many bare digests (kind 0) that share their details: docs/reference/format-leaf.md.

The same bytes as registry.proof.leaves makes one by one; what is the same in all of them is prepared once.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from registry.proof.hashes import HASH_BYTES
from registry.proof.jcs import canonicalise
from registry.proof.leaves import ZERO_HASH, Kind, Record, leaf_preimage


@dataclass(frozen=True, slots=True)
class BareLeaves:
    """Digests with what their records need, in the same order: 32 bytes each, joined."""

    digests: bytes
    salts: bytes
    details_hashes: bytes
    leaves: bytes

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.digests) // HASH_BYTES


def make_bare_leaves(*, digests: bytes, salts: bytes, details: Mapping[str, object]) -> BareLeaves:
    """Return the leaves of digests that are registered with the same details, each under a salt of its own.

    Digests and salts are joined, 32 bytes each. Raises ValueError if there are not as many of the one as of the other,
    NotCanonicalError if the details are not canonical JSON.
    """
    if len(digests) != len(salts) or len(digests) % HASH_BYTES:
        raise ValueError("each digest has a salt, and both are 32 bytes")
    head, tail = leaf_preimage(Record(Kind.BARE_DIGEST, ZERO_HASH, 0, ZERO_HASH, ZERO_HASH, ZERO_HASH))
    # Only the hash of the details at the end is the record's own.
    tail = tail[:-HASH_BYTES]
    plain = canonicalise(dict(details))
    make_hash = hashlib.sha256
    details_hashes, leaves = [], []
    for at in range(0, len(digests), HASH_BYTES):
        details_hash = make_hash(salts[at : at + HASH_BYTES] + plain).digest()
        details_hashes.append(details_hash)
        leaves.append(make_hash(head + digests[at : at + HASH_BYTES] + tail + details_hash).digest())
    return BareLeaves(digests=digests, salts=salts, details_hashes=b"".join(details_hashes), leaves=b"".join(leaves))
