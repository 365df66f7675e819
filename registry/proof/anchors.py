"""The anchors file: every anchor of a registry in order, one JSON object a line, and their chain.

docs/reference/format-anchor.md has the format. A proof whose anchor stands in this chain is canonical.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from registry.proof.commitments import OUTPOINT_BYTES, commitment_hash, genesis_commitment
from registry.proof.documents import AnchoredBatch, list_anchored_batch, take_anchored_batch
from registry.proof.errors import (
    AnchorChainError,
    AnchorCommitmentError,
    BlockPathError,
    CommitmentMismatchError,
    MalformedDocumentError,
    ProofTooLargeError,
    UndecidedError,
    UsageError,
)
from registry.proof.fields import Fields
from registry.proof.hashes import HASH_BYTES
from registry.proof.headers import check_proof_of_work, display_hash, parse_display_hash, parse_header
from registry.proof.jcs import parse_strict
from registry.proof.merkle import block_root_from_path
from registry.proof.transactions import Anchor, read_anchor

FORMAT = "cadastre-anchors-v1"
LINE_BYTES_MAX = 64 * 1024
"""An anchor's transaction is at most 4096 bytes and a path 24 hashes: no true line comes near this."""

VOUT_MAX = 0xFFFFFFFF
ANCHORS_MAX = 10_000_000
"""Anchors read from one file: 190 years of one anchor every ten minutes."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry's identity: its network's genesis block hash (internal order) and the first outpoint."""

    genesis_block_hash: bytes
    first_outpoint: bytes


def display_outpoint(outpoint: bytes) -> str:
    """Return an outpoint (36 bytes) as TXID:VOUT, the txid as nodes and explorers print it."""
    return f"{display_hash(outpoint[:HASH_BYTES])}:{int.from_bytes(outpoint[HASH_BYTES:], 'little')}"


def parse_outpoint(text: str) -> bytes:
    """Return the 36 bytes of an outpoint that is given as TXID:VOUT. Raises UsageError if it is not one."""
    found = re.fullmatch("([0-9a-fA-F]{64}):([0-9]{1,10})", text)
    if found is None or int(found[2]) > VOUT_MAX:
        raise UsageError("an outpoint is TXID:VOUT, as nodes print it")
    return parse_display_hash(found[1].lower()) + int(found[2]).to_bytes(4, "little")


def write_registry_line(registry: Registry) -> bytes:
    """Return the first line of an anchors file."""
    return _write_line(
        {
            "format": FORMAT,
            "genesis_block_hash": registry.genesis_block_hash.hex(),
            "first_outpoint": registry.first_outpoint.hex(),
        }
    )


def write_anchor_line(anchored: AnchoredBatch) -> bytes:
    """Return one further line of an anchors file. Lines stand in the order of `seq`, from 0."""
    return _write_line(list_anchored_batch(anchored))


def read_registry(stream: BinaryIO) -> Registry:
    """Read the first line of an anchors file. Raises MalformedDocumentError if it is not one."""
    fields = Fields(_read_line(stream), "the first line")
    fields.take_constant("format", FORMAT)
    registry = Registry(
        genesis_block_hash=fields.take_hex("genesis_block_hash", 32),
        first_outpoint=fields.take_hex("first_outpoint", OUTPOINT_BYTES),
    )
    fields.finish()
    return registry


def read_anchored_batches(stream: BinaryIO) -> Iterator[AnchoredBatch]:
    """Yield the anchors of a file whose first line was read, at most ANCHORS_MAX of them.

    Raises MalformedDocumentError, and what a batch's ranges raise, at the first bad line.
    """
    for _ in range(ANCHORS_MAX):
        value = _read_line(stream)
        if value is None:
            return
        fields = Fields(value, "an anchor's line")
        anchored = take_anchored_batch(fields)
        fields.finish()
        yield anchored
    raise ProofTooLargeError(f"more than {ANCHORS_MAX} anchors")


def get_checked_anchor(anchored: AnchoredBatch) -> Anchor:
    """Check a batch's way to its header (steps 5 to 8 of the verifier) and return its anchor.

    Raises an InvalidProofError that names the step. The caller checks that the header is in the chain.
    """
    if commitment_hash(anchored.batch) != anchored.commitment:
        raise CommitmentMismatchError
    anchor = read_anchor(anchored.raw_tx)
    if anchor.commitment != anchored.commitment:
        raise AnchorCommitmentError
    block = anchored.block
    header = parse_header(block.header)
    if block_root_from_path(txid=anchor.txid, tx_index=block.tx_index, path=block.path) != header.merkle_root:
        raise BlockPathError
    check_proof_of_work(header)
    return anchor


def walk_chain(*, registry: Registry, anchors: Iterator[AnchoredBatch]) -> Iterator[tuple[AnchoredBatch, Anchor]]:
    """Yield a registry's anchors in order, each after it was checked to continue the one before it.

    Nothing after the anchor that was yielded last has been read. The caller checks that headers are in the chain.
    Raises AnchorChainError where the chain breaks, and the errors of get_checked_anchor for an anchor that does not
    hold.
    """
    outpoint = registry.first_outpoint
    commitment = genesis_commitment(
        genesis_block_hash=registry.genesis_block_hash, first_outpoint=registry.first_outpoint
    )
    seq, index, height = 0, 0, 0
    for anchored in anchors:
        batch = anchored.batch
        anchor = get_checked_anchor(anchored)
        if anchor.spends != outpoint:
            raise AnchorChainError(f"anchor {seq} does not spend the anchor before it")
        if (batch.seq, batch.first_index, batch.previous_commitment) != (seq, index, commitment):
            raise AnchorChainError(f"anchor {seq} does not continue the batch before it")
        if anchored.block.height < height:
            raise AnchorChainError(f"anchor {seq} is in an earlier block than the anchor before it")
        yield anchored, anchor
        outpoint, commitment, height = anchor.continuation, anchored.commitment, anchored.block.height
        seq, index = seq + 1, index + batch.size


def check_chain(*, registry: Registry, anchors: Iterator[AnchoredBatch], target: AnchoredBatch) -> None:
    """Check that a verified anchor is the one that the registry's chain of anchors has at its place.

    Each anchor spends the one before it, so the block that holds the target vouches for all of its ancestors:
    only the target's header needs to be looked up. Anchors after the target are not read.
    For the same reason the file may have the target in another block, as one has that was written before a
    reorganisation: a transaction's inputs are the same in every block.
    Raises AnchorChainError if the chain breaks before the target or has another anchor there, the errors of
    get_checked_anchor for an anchor that does not hold, and UndecidedError if the file ends before the
    target.
    """
    for anchored, anchor in walk_chain(registry=registry, anchors=anchors):
        if anchored.batch.seq == target.batch.seq:
            # The same transaction carries the same commitment, and so has the same batch.
            if anchor.txid != read_anchor(target.raw_tx).txid:
                raise AnchorChainError(f"the chain has another anchor {anchored.batch.seq}")
            return
    raise UndecidedError(f"the anchors file ends before anchor {target.batch.seq}")


def _write_line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _read_line(stream: BinaryIO) -> object | None:
    """Return the next line's value, or None at the end of the file."""
    line = stream.readline(LINE_BYTES_MAX + 1)
    if len(line) > LINE_BYTES_MAX:
        raise ProofTooLargeError(f"a line has more than {LINE_BYTES_MAX} bytes")
    if not line:
        return None
    value = parse_strict(line)
    if value is None:
        raise MalformedDocumentError("a line is null")
    return value
