"""Keys, accounts and addresses.

Single keys sign by libsecp256k1 (coincurve); accounts are BIP 32 (embit); the only spending type is P2WPKH
(BIP 141), while payments can go to P2PKH, P2SH, and every witness version (BIP 173, BIP 350).
"""

import secrets
from dataclasses import dataclass
from typing import Self

from bitcoin.core import Hash160
from coincurve import PrivateKey
from embit import base58, bech32
from embit.base import EmbitError
from embit.bip32 import HDKey

from chain.errors import AddressError, KeyFormatError
from chain.networks import Network

_HASH_BYTES = 20
_SECRET_BYTES = 32
_WIF_COMPRESSED = b"\x01"
_WITNESS_PROGRAM_BYTES = range(2, 41)
_OP_1 = 0x51
_OP_16 = 0x60
_NON_HARDENED_MAX = 2**31
_ADDRESS_CHARACTERS_MAX = 90  # BIP 173; decoding Base58 takes time in the square of the length.


@dataclass(frozen=True, eq=False)
class Key:
    """One private key, whose coins are P2WPKH. Its text form never shows the secret."""

    _private: PrivateKey

    @classmethod
    def from_secret(cls, secret: bytes) -> Self:
        """Make the key of these 32 bytes.

        Raises KeyFormatError if they are no valid secp256k1 secret.
        """
        if len(secret) != _SECRET_BYTES:
            raise KeyFormatError(f"a secret has {_SECRET_BYTES} bytes, not {len(secret)}")
        try:
            return cls(PrivateKey(secret))
        except ValueError as error:
            raise KeyFormatError("the secret is outside the curve's range") from error

    @classmethod
    def from_wif(cls, wif: str, network: Network) -> Self:
        """Read a compressed key in wallet import format.

        Raises KeyFormatError if it is damaged, uncompressed or of another network.
        """
        try:
            payload = base58.decode_check(wif)
        except ValueError as error:
            raise KeyFormatError("not a key in wallet import format") from error
        if payload[:1] != bytes([network.wif]):
            raise KeyFormatError(f"the key is not one of {network.name}")
        if payload[1 + _SECRET_BYTES :] != _WIF_COMPRESSED:
            raise KeyFormatError("the key is not a compressed one")
        return cls.from_secret(payload[1 : 1 + _SECRET_BYTES])

    def to_wif(self, network: Network) -> str:
        """Write the key in wallet import format: this is the secret itself."""
        return str(base58.encode_check(bytes([network.wif]) + self._private.secret + _WIF_COMPRESSED))

    @property
    def public_key(self) -> bytes:
        """The compressed public key, 33 bytes."""
        return self._private.public_key.format(compressed=True)

    @property
    def script_pubkey(self) -> bytes:
        """The P2WPKH output script, 22 bytes."""
        return p2wpkh_script(self.public_key)

    @property
    def script_code(self) -> bytes:
        """The script that a P2WPKH signature covers (BIP 143)."""
        return b"\x76\xa9\x14" + bytes(Hash160(self.public_key)) + b"\x88\xac"

    def address(self, network: Network) -> str:
        """Return the P2WPKH address."""
        return script_to_address(self.script_pubkey, network)

    def sign(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest: DER, low-S, deterministic (RFC 6979)."""
        return self._private.sign(digest, hasher=None)

    def __repr__(self) -> str:
        """Name the public key only, so that a log cannot leak the secret."""
        return f"<Key {self.public_key.hex()}>"


def generate_key() -> Key:
    """Make a new key from the operating system's randomness."""
    while True:
        try:
            return Key.from_secret(secrets.token_bytes(_SECRET_BYTES))
        except KeyFormatError:  # one chance in 2**127
            continue


@dataclass(frozen=True, eq=False)
class Account:
    """A BIP 32 account: scripts from its public half, keys only where the private half is."""

    _root: HDKey

    @classmethod
    def from_xpub(cls, xpub: str) -> Self:
        """Read an extended public key.

        Raises KeyFormatError if it is damaged or private: a server that only watches must not be given a
        secret.
        """
        root = _read_extended_key(xpub)
        if root.is_private:
            raise KeyFormatError("this extended key is private; give its public half")
        return cls(root)

    @classmethod
    def from_xprv(cls, xprv: str) -> Self:
        """Read an extended private key.

        Raises KeyFormatError if it is damaged or public.
        """
        root = _read_extended_key(xprv)
        if not root.is_private:
            raise KeyFormatError("this extended key is public; spending needs its private half")
        return cls(root)

    @classmethod
    def from_seed(cls, seed: bytes, network: Network) -> Self:
        """Make the account m/84'/1'/0' (m/84'/0'/0' on the main network) of a seed (BIP 32, BIP 84)."""
        master = HDKey.from_seed(seed, version=network.xprv)
        coin = 0 if network.name == "main" else 1
        return cls(master.derive([84 + _NON_HARDENED_MAX, coin + _NON_HARDENED_MAX, _NON_HARDENED_MAX]))

    @property
    def xpub(self) -> str:
        """The extended public key, which shows every address but spends nothing."""
        root = self._root.to_public() if self._root.is_private else self._root
        return str(root.to_base58())

    def to_xprv(self) -> str:
        """Write the extended private key: this is the secret itself.

        Raises KeyFormatError if only the public half is known.
        """
        if not self._root.is_private:
            raise KeyFormatError("this account has no private half")
        return str(self._root.to_base58())

    def derive_script(self, change: int, index: int) -> bytes:
        """Return the P2WPKH output script of `change`/`index`."""
        return p2wpkh_script(self._derive(change, index).key.sec())

    def derive_key(self, change: int, index: int) -> Key:
        """Return the key of `change`/`index`.

        Raises KeyFormatError if only the public half is known.
        """
        if not self._root.is_private:
            raise KeyFormatError("this account has no private half")
        return Key.from_secret(self._derive(change, index).key.secret)

    def _derive(self, change: int, index: int) -> HDKey:
        """Derive the non-hardened child of a child."""
        if not (0 <= change < _NON_HARDENED_MAX and 0 <= index < _NON_HARDENED_MAX):
            raise KeyFormatError(f"{change}/{index} is outside the range of non-hardened children")
        return self._root.derive([change, index])

    def __repr__(self) -> str:
        """Name the public half only, so that a log cannot leak the secret."""
        return f"<Account {self.xpub}>"


def p2wpkh_script(public_key: bytes) -> bytes:
    """Return the P2WPKH output script of a compressed public key (BIP 141)."""
    return b"\x00\x14" + bytes(Hash160(public_key))


def script_to_address(script: bytes, network: Network) -> str:
    """Return the address of an output script.

    Raises AddressError if the script is not P2PKH, P2SH or a witness program.
    """
    if len(script) == _HASH_BYTES + 5 and script[:3] == b"\x76\xa9\x14" and script[-2:] == b"\x88\xac":
        return str(base58.encode_check(bytes([network.p2pkh]) + script[3:-2]))
    if len(script) == _HASH_BYTES + 3 and script[:2] == b"\xa9\x14" and script[-1:] == b"\x87":
        return str(base58.encode_check(bytes([network.p2sh]) + script[2:-1]))
    if len(script) > 1 and script[1] == len(script) - 2 and script[1] in _WITNESS_PROGRAM_BYTES:
        version = 0 if script[0] == 0 else script[0] - _OP_1 + 1
        if script[0] == 0 or _OP_1 <= script[0] <= _OP_16:
            address = bech32.encode(network.bech32_hrp, version, list(script[2:]))
            if address is not None:
                return str(address)
    raise AddressError(f"script {script.hex()} has no address")


def address_to_script(address: str, network: Network) -> bytes:
    """Return the output script of an address.

    Raises AddressError if it is damaged or of another network.
    """
    if len(address) > _ADDRESS_CHARACTERS_MAX:
        raise AddressError(f"an address has at most {_ADDRESS_CHARACTERS_MAX} characters, not {len(address)}")
    prefix = f"{network.bech32_hrp}1"
    if address.lower().startswith(prefix):
        version, program = bech32.decode(network.bech32_hrp, address)
        if version is None or program is None:
            raise AddressError(f"{address!r} is a damaged {network.name} address")
        opcode = 0 if version == 0 else _OP_1 + version - 1
        return bytes([opcode, len(program)]) + bytes(program)
    try:
        payload = bytes(base58.decode_check(address))
    except ValueError as error:
        raise AddressError(f"{address!r} is not an address of {network.name}") from error
    if len(payload) == 1 + _HASH_BYTES and payload[0] == network.p2pkh:
        return b"\x76\xa9\x14" + payload[1:] + b"\x88\xac"
    if len(payload) == 1 + _HASH_BYTES and payload[0] == network.p2sh:
        return b"\xa9\x14" + payload[1:] + b"\x87"
    raise AddressError(f"{address!r} is not an address of {network.name}")


def _read_extended_key(text: str) -> HDKey:
    """Decode an extended key with one error for everything that can be wrong."""
    try:
        return HDKey.from_string(text)
    except (EmbitError, ValueError, IndexError, TypeError) as error:
        raise KeyFormatError("not an extended key") from error
