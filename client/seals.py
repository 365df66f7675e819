"""The seal: what a record commits to about the plaintext without telling anything about it.

Whoever has the link can open the seal, and so prove that the anchored record is this plaintext under these
names.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from client.errors import SealMismatchError
from registry.proof.leaves import seal_hash

SEAL_KEY_INFO = b"cadastre/seal"


def compute_seal(*, secret: bytes, manifest_sha256: bytes) -> bytes:
    """Return the 32-byte seal of a link's secret and of the SHA-256 of its encrypted manifest."""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=SEAL_KEY_INFO).derive(secret)
    return seal_hash(seal_key=key, manifest_sha256=manifest_sha256)


def check_seal(seal: bytes, *, secret: bytes, manifest_sha256: bytes) -> None:
    """Raise SealMismatchError unless the seal is of this secret and manifest."""
    if compute_seal(secret=secret, manifest_sha256=manifest_sha256) != seal:
        raise SealMismatchError
