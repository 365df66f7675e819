"""Blocks for the development network: assembled from the mempool, with a witness commitment, and
ground in place."""

import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bitcoin.core import (
    CMutableTransaction,
    CMutableTxIn,
    CMutableTxOut,
    COutPoint,
    CTxInWitness,
    CTxWitness,
    Hash,
    lx,
)
from bitcoin.core.script import CScript, CScriptWitness

from chain.devnode.mempool import MempoolTransaction
from chain.devnode.tree import BlockTree, expand_target
from chain.transactions import merkle_root

SUBSIDY_SAT = 50 * 100_000_000
HALVING_BLOCKS = 150  # regtest's
BLOCK_VERSION = 0x20000000
BLOCK_WEIGHT_MAX = 3_996_000  # Core's default: the consensus limit less room for header and coinbase
_EXTRA_NONCE_BYTES = 8
_WITNESS_RESERVED = bytes(32)
_VARINT_ONE_BYTE_END = 0xFD
_COMMITMENT_PREFIX = b"\x6a\x24\xaa\x21\xa9\xed"  # BIP 141


@dataclass(frozen=True)
class BlockTransaction:
    """A transaction as a block takes it: its id, the id that includes the witness, and its bytes."""

    txid: str
    wtxid: str
    raw: bytes


def build_block(tree: BlockTree, waiting: Iterable[MempoolTransaction], script: bytes, *, now: int) -> bytes:
    """Build a valid block on the tip that pays its subsidy and fees to `script`.

    Transactions go in as they came, parents before children, as far as a block's weight allows.
    """
    chosen = _choose(waiting)
    return assemble_block(
        previous_hash=tree.tip.block.hash,
        height=tree.tip.block.height + 1,
        block_time=max(tree.median_time(tree.tip.block) + 1, now),
        bits=tree.tip.bits,  # regtest never changes its target
        script=script,
        fees_sat=sum(item.fee_sat for item in chosen),
        transactions=[BlockTransaction(item.transaction.txid, item.wtxid, item.transaction.raw) for item in chosen],
    )


def assemble_block(
    *,
    previous_hash: str,
    height: int,
    block_time: int,
    bits: int,
    script: bytes,
    transactions: Sequence[BlockTransaction],
    fees_sat: int = 0,
    version: int = BLOCK_VERSION,
) -> bytes:
    """Build a block that pays regtest's subsidy and these fees to `script`, and find its proof of work."""
    wtxids = [bytes(32)] + [bytes.fromhex(item.wtxid)[::-1] for item in transactions]
    commitment = Hash(merkle_root(wtxids) + _WITNESS_RESERVED)
    coinbase = _build_coinbase(height, script, (SUBSIDY_SAT >> (height // HALVING_BLOCKS)) + fees_sat, commitment)
    txids = [coinbase.GetTxid()] + [bytes.fromhex(item.txid)[::-1] for item in transactions]
    header = struct.pack("<i32s32sII", version, lx(previous_hash), merkle_root(txids), block_time, bits)
    return _grind(header, bits) + _varint(len(txids)) + b"".join([coinbase.serialize(), *(t.raw for t in transactions)])


def _choose(waiting: Iterable[MempoolTransaction]) -> list[MempoolTransaction]:
    """Take transactions until one would not fit; stopping there keeps every parent before its children."""
    chosen, total = [], 0
    for item in waiting:
        total += item.weight
        if total > BLOCK_WEIGHT_MAX:
            break
        chosen.append(item)
    return chosen


def _build_coinbase(height: int, script: bytes, value_sat: int, commitment: bytes) -> CMutableTransaction:
    """Build the transaction that begins a block: height (BIP 34), a fresh nonce, and the witness commitment.

    The nonce keeps two blocks of one height and second apart.
    """
    height_push = bytes(CScript([height]))
    script_sig = height_push + bytes([_EXTRA_NONCE_BYTES]) + secrets.token_bytes(_EXTRA_NONCE_BYTES)
    committing = CScript(_COMMITMENT_PREFIX + commitment)
    outputs = [CMutableTxOut(value_sat, CScript(script)), CMutableTxOut(0, committing)]
    coinbase = CMutableTransaction([CMutableTxIn(COutPoint(), CScript(script_sig))], outputs, 0, 2)
    coinbase.wit = CTxWitness([CTxInWitness(CScriptWitness([_WITNESS_RESERVED]))])
    return coinbase


def _grind(header: bytes, bits: int) -> bytes:
    """Return the header with a nonce that meets the target: on regtest every second one does."""
    target = expand_target(bits)
    nonce = 0
    while True:
        candidate = header + struct.pack("<I", nonce)
        if int.from_bytes(Hash(candidate), "little") <= target:
            return candidate
        nonce += 1


def _varint(value: int) -> bytes:
    """Write Bitcoin's variable-length count of transactions, which a block's weight keeps under 65,536."""
    return bytes([value]) if value < _VARINT_ONE_BYTE_END else b"\xfd" + struct.pack("<H", value)
