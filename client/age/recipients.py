"""Wrapping and unwrapping of an age file key: for an X25519 recipient, and by a password (scrypt).

Source: C2SP/age, "The X25519 recipient type" and "The scrypt recipient type".
"""

import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from client.age.encoding import decode_base64, encode_base64
from client.age.header import Header, Stanza
from client.errors import AgeHeaderError, AgeKeyError

KEY_BYTES = 32
SALT_BYTES = 16
WRAPPED_BYTES = 32
WORK_FACTOR_LOG2_MIN = 15
WORK_FACTOR_LOG2_MAX = 20

_X25519_INFO = b"age-encryption.org/v1/X25519"
_SCRYPT_SALT_PREFIX = b"age-encryption.org/v1/scrypt"
_X25519_ARGUMENTS = 2
_SCRYPT_ARGUMENTS = 3

# Every wrapping key is used once, so the format fixes the nonce.
_NONCE = bytes(12)


def get_recipient(secret: bytes) -> bytes:
    """Return the 32-byte X25519 recipient of a 32-byte secret."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def wrap_for_x25519(*, file_key: bytes, recipient: bytes, ephemeral_secret: bytes) -> Stanza:
    """Wrap a file key for a recipient; the 32-byte ephemeral secret must be fresh for every file."""
    share = get_recipient(ephemeral_secret)
    shared = X25519PrivateKey.from_private_bytes(ephemeral_secret).exchange(
        X25519PublicKey.from_public_bytes(recipient)
    )
    key = _derive_x25519_key(shared, share, recipient)
    return Stanza(("X25519", encode_base64(share)), ChaCha20Poly1305(key).encrypt(_NONCE, file_key, None))


def unwrap_by_x25519(header: Header, secret: bytes) -> bytes:
    """Return the file key of a header by a 32-byte secret.

    Raises AgeHeaderError if an X25519 stanza is malformed, AgeKeyError if none is for this secret.
    """
    if any(stanza.arguments[0] == "scrypt" for stanza in header.stanzas):
        raise AgeKeyError("The age file is encrypted by a password, not to a key.")
    for stanza in header.stanzas:
        if stanza.arguments[0] != "X25519":
            continue
        if len(stanza.arguments) != _X25519_ARGUMENTS or len(stanza.body) != WRAPPED_BYTES:
            raise AgeHeaderError("The X25519 stanza of the age file is malformed.")
        share = decode_base64(stanza.arguments[1])
        if len(share) != KEY_BYTES:
            raise AgeHeaderError("The ephemeral share of the age file has a wrong length.")
        file_key = _open(_agree(secret, share), stanza.body)
        if file_key is not None:
            return file_key
    raise AgeKeyError


def wrap_by_password(*, file_key: bytes, password: str, salt: bytes, work_factor_log2: int) -> Stanza:
    """Wrap a file key by a password; the 16-byte salt must be fresh for every file."""
    key = _derive_scrypt_key(password, salt, work_factor_log2)
    body = ChaCha20Poly1305(key).encrypt(_NONCE, file_key, None)
    return Stanza(("scrypt", encode_base64(salt), str(work_factor_log2)), body)


def unwrap_by_password(header: Header, password: str) -> bytes:
    """Return the file key of a header by a password.

    Raises AgeHeaderError if the only stanza is not a well-formed scrypt stanza with a work factor of 2^15 to
    2^20, AgeKeyError if the password is wrong.
    """
    stanza = header.stanzas[0]
    if len(header.stanzas) != 1 or stanza.arguments[0] != "scrypt":
        raise AgeHeaderError("The age file is not encrypted by a password alone.")
    if len(stanza.arguments) != _SCRYPT_ARGUMENTS or len(stanza.body) != WRAPPED_BYTES:
        raise AgeHeaderError("The scrypt stanza of the age file is malformed.")
    salt = decode_base64(stanza.arguments[1])
    factor = stanza.arguments[2]
    if len(salt) != SALT_BYTES or not re.fullmatch("[1-9][0-9]{0,2}", factor):
        raise AgeHeaderError("The scrypt stanza of the age file is malformed.")
    if not WORK_FACTOR_LOG2_MIN <= int(factor) <= WORK_FACTOR_LOG2_MAX:
        raise AgeHeaderError(f"The work factor 2^{factor} is not between 2^15 and 2^20.")
    file_key = _open(_derive_scrypt_key(password, salt, int(factor)), stanza.body)
    if file_key is None:
        raise AgeKeyError("The password does not open the age file.")
    return file_key


def _agree(secret: bytes, share: bytes) -> bytes:
    own = X25519PrivateKey.from_private_bytes(secret)
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(share))
    except ValueError as error:
        raise AgeHeaderError("The ephemeral share of the age file is a point of low order.") from error
    return _derive_x25519_key(shared, share, own.public_key().public_bytes_raw())


def _open(key: bytes, body: bytes) -> bytes | None:
    try:
        return ChaCha20Poly1305(key).decrypt(_NONCE, body, None)
    except InvalidTag:
        return None


def _derive_x25519_key(shared: bytes, share: bytes, recipient: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=share + recipient, info=_X25519_INFO).derive(shared)


def _derive_scrypt_key(password: str, salt: bytes, work_factor_log2: int) -> bytes:
    scrypt = Scrypt(salt=_SCRYPT_SALT_PREFIX + salt, length=KEY_BYTES, n=1 << work_factor_log2, r=8, p=1)
    return scrypt.derive(password.encode("utf-8"))
