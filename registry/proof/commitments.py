"""What an anchor publishes: the commitment to one batch, which commits to the batch before it."""

from dataclasses import dataclass

from registry.proof.errors import CommitmentMismatchError
from registry.proof.hashes import HASH_BYTES, sha256

BATCH_TAG = b"cadastre/batch/v1\0"
REGISTRY_TAG = b"cadastre/registry/v1\0"
OUTPOINT_BYTES = 36


@dataclass(frozen=True, slots=True)
class Batch:
    """The fields that a commitment commits to: integers below 2**64, hashes of 32 bytes in internal order.

    `seq` counts batches and `first_index` counts leaves, both from 0; `size` is the batch's number of leaves.
    Raises CommitmentMismatchError if a field is out of range.
    """

    seq: int
    first_index: int
    size: int
    previous_commitment: bytes
    recent_block_hash: bytes
    root: bytes

    def __post_init__(self) -> None:
        if not all(0 <= number < 1 << 64 for number in (self.seq, self.first_index, self.size)):
            raise CommitmentMismatchError("every number of a batch has eight bytes")
        if not self.size:
            raise CommitmentMismatchError("a batch has at least one leaf")
        if any(len(part) != HASH_BYTES for part in (self.previous_commitment, self.recent_block_hash, self.root)):
            raise CommitmentMismatchError("every hash of a batch is 32 bytes")


def commitment_head(batch: Batch) -> bytes:
    """Return what stands before the batch's root in the commitment's preimage."""
    numbers = b"".join(number.to_bytes(8) for number in (batch.seq, batch.first_index, batch.size))
    return BATCH_TAG + numbers + batch.previous_commitment + batch.recent_block_hash


def commitment_hash(batch: Batch) -> bytes:
    """Return a batch's commitment, 32 bytes."""
    return sha256(commitment_head(batch) + batch.root)


def genesis_commitment(*, genesis_block_hash: bytes, first_outpoint: bytes) -> bytes:
    """Return `previous_commitment` of the registry's first batch, 32 bytes.

    `genesis_block_hash` is in internal byte order; `first_outpoint` is 36 bytes, as in a transaction's input.
    Raises CommitmentMismatchError if either has another length.
    """
    if len(genesis_block_hash) != HASH_BYTES or len(first_outpoint) != OUTPOINT_BYTES:
        raise CommitmentMismatchError("a block hash is 32 bytes and an outpoint 36")
    return sha256(REGISTRY_TAG + genesis_block_hash + first_outpoint)


def encode_outpoint(txid: bytes, vout: int) -> bytes:
    """Return an outpoint as a transaction's input has it: txid in internal byte order, then vout as u32le."""
    return txid + vout.to_bytes(4, "little")
