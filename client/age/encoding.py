"""The two text encodings of age: canonical unpadded base64, read strictly, and the Bech32 of identities."""

import base64
import binascii

from client.errors import AgeHeaderError

SECRET_BYTES = 32
IDENTITY_PREFIX = "age-secret-key-"
_BECH32_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CHECKSUM_SYMBOLS = 6


def encode_base64(data: bytes) -> str:
    """Return standard base64 without padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii").rstrip("=")


def decode_base64(text: str) -> bytes:
    """Return the bytes of canonical unpadded base64.

    Raises AgeHeaderError for padding, foreign characters and spare bits that are not zero.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise AgeHeaderError("The header of the age file has invalid base64.") from error
    if encode_base64(data) != text:
        raise AgeHeaderError("The header of the age file has base64 that is not canonical.")
    return data


def encode_identity(secret: bytes) -> str:
    """Return `AGE-SECRET-KEY-1...` for a secret of 32 bytes (BIP 173 without its length limit)."""
    assert len(secret) == SECRET_BYTES, "an X25519 secret has 32 bytes"
    symbols = _regroup_bits(secret)
    checked = symbols + _get_checksum(IDENTITY_PREFIX, symbols)
    return (IDENTITY_PREFIX + "1" + "".join(_BECH32_ALPHABET[symbol] for symbol in checked)).upper()


def _regroup_bits(data: bytes) -> list[int]:
    """Cut the big-endian bits of bytes into groups of five, the last one filled up with zeros."""
    bits = len(data) * 8
    number = int.from_bytes(data) << -bits % 5
    count = -(-bits // 5)
    return [number >> 5 * (count - 1 - place) & 31 for place in range(count)]


def _expand_prefix(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _get_checksum(prefix: str, symbols: list[int]) -> list[int]:
    remainder = _get_polymod(_expand_prefix(prefix) + symbols + [0] * _BECH32_CHECKSUM_SYMBOLS) ^ 1
    return [remainder >> 5 * (_BECH32_CHECKSUM_SYMBOLS - 1 - place) & 31 for place in range(_BECH32_CHECKSUM_SYMBOLS)]


def _get_polymod(symbols: list[int]) -> int:
    remainder = 1
    for symbol in symbols:
        top = remainder >> 25
        remainder = (remainder & 0x1FFFFFF) << 5 ^ symbol
        for place, generator in enumerate(_BECH32_GENERATORS):
            if top >> place & 1:
                remainder ^= generator
    return remainder
