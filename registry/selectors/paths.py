"""A leaf's path to its batch's root, from one subtree's leaves and the subtrees' stored roots: never the whole tree."""

from registry.errors import ProofNotReadyError
from registry.models import Batch, Record
from registry.proof.merkle import merkle_path
from registry.selectors.records import find_sealed_batch, list_batch_records
from registry.trees import SUBTREE_LEAVES

HASH_BYTES = 32


def get_path(record: Record) -> tuple[bytes, ...]:
    """Return the neighbours on the way from a record's leaf to its batch's root, 32 bytes each, lowest first.

    It reads at most SUBTREE_LEAVES leaves, however large the batch is; the record's batch must be loaded.
    Raises ProofNotReadyError if the record is in no sealed batch.
    """
    batch = find_sealed_batch(record)
    if batch is None or record.index is None:
        raise ProofNotReadyError
    number, position = divmod(record.index - batch.first_index, SUBTREE_LEAVES)
    below = merkle_path(list_subtree_leaves(batch=batch, number=number), position)
    return below + merkle_path(split_hashes(bytes(batch.subtree_roots)), number)


def list_subtree_leaves(*, batch: Batch, number: int) -> list[bytes]:
    """Return the leaves of a batch's subtree, by its number from 0, in order."""
    start = number * SUBTREE_LEAVES
    rows = list_batch_records(batch, start=start, end=start + SUBTREE_LEAVES)
    return [bytes(leaf) for leaf in rows.values_list("leaf", flat=True)]


def split_hashes(joined: bytes) -> list[bytes]:
    """Return the hashes of 32 bytes that were stored one after the other."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
