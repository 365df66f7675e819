"""The two hashes of every format here: SHA-256, and Bitcoin's SHA-256 of SHA-256."""

import hashlib

HASH_BYTES = 32


def sha256(data: bytes) -> bytes:
    """Return SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()


def sha256d(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256, 32 bytes: Bitcoin's hash of transactions, blocks and inner nodes."""
    return sha256(sha256(data))
