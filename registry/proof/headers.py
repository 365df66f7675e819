"""Bitcoin block headers: parsing, hashing, proof of work, and the two orders in which hashes are written."""

import re
from dataclasses import dataclass

from registry.proof.errors import MalformedHeaderError, ProofOfWorkError
from registry.proof.hashes import sha256d
from registry.proof.readers import ByteReader

HEADER_BYTES = 80


@dataclass(frozen=True, slots=True)
class Header:
    """A block header. Hashes are in internal byte order; `time` is seconds since 1970; `raw` all 80 bytes."""

    raw: bytes
    previous_hash: bytes
    merkle_root: bytes
    time: int
    bits: int
    block_hash: bytes


def parse_header(raw: bytes) -> Header:
    """Parse the 80 bytes of a header. Raises MalformedHeaderError if there are more or fewer."""
    reader = ByteReader(raw, MalformedHeaderError)
    reader.take(4)
    previous_hash, merkle_root = reader.take(32), reader.take(32)
    time, bits = reader.take_little(4), reader.take_little(4)
    reader.take(4)
    reader.finish()
    return Header(
        raw=raw,
        previous_hash=previous_hash,
        merkle_root=merkle_root,
        time=time,
        bits=bits,
        block_hash=sha256d(raw),
    )


def check_proof_of_work(header: Header) -> None:
    """Check that a header's hash, read as a number, is at most the target that its own bits name.

    Raises ProofOfWorkError if it is not, or if the bits name no target.
    """
    target = find_target(header.bits)
    if target is None:
        raise ProofOfWorkError(f"the bits {header.bits:08x} name no target")
    if int.from_bytes(header.block_hash, "little") > target:
        raise ProofOfWorkError


def find_target(bits: int) -> int | None:
    """Return the target that a header's bits name, or None if they name none. Source: Bitcoin Core, arith_uint256."""
    exponent, mantissa = bits >> 24, bits & 0x7FFFFF
    target = (mantissa << 8 * exponent) >> 8 * 3
    return None if bits & 0x800000 or not 0 < target < 1 << 256 else target


def encode_target(target: int) -> int:
    """Return the bits that stand for a target, which lose all but its highest three bytes.

    Source: Bitcoin Core, arith_uint256::GetCompact.
    """
    exponent = (target.bit_length() + 7) // 8
    mantissa = (target << 8 * 3) >> 8 * exponent
    # The highest bit of a mantissa is a sign, so a mantissa that has it moves down a byte.
    return (exponent + 1) << 24 | mantissa >> 8 if mantissa & 0x800000 else exponent << 24 | mantissa


def display_hash(value: bytes) -> str:
    """Return a txid or block hash as nodes and explorers print it: byte-reversed hexadecimal."""
    return value[::-1].hex()


def parse_display_hash(text: str) -> bytes:
    """Return the 32 bytes, in internal byte order, of a hash as nodes and explorers print it.

    Raises MalformedHeaderError if the text is not 64 lower-case hexadecimal digits.
    """
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise MalformedHeaderError("a hash has 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)[::-1]
