"""What a batch and a register commit to, as the verifier's formats have it, and how long records have waited."""

from datetime import datetime

from chain.networks import get_network
from registry.models import Batch, Record, Register
from registry.proof import commitments


def get_batch_fields(batch: Batch) -> commitments.Batch:
    """Return the fields that a batch's commitment commits to; the batch has its root."""
    return commitments.Batch(
        seq=batch.seq,
        first_index=batch.first_index,
        size=batch.size,
        previous_commitment=bytes(batch.previous_commitment),
        recent_block_hash=bytes.fromhex(batch.recent_block_hash)[::-1],
        root=bytes(batch.root),
    )


def get_register_fields(register: Register) -> tuple[bytes, bytes]:
    """Return a register's identity: its network's genesis block hash and first outpoint, in internal byte order."""
    genesis_hash = bytes.fromhex(get_network(register.network).genesis_hash)[::-1]
    outpoint = commitments.encode_outpoint(bytes.fromhex(register.first_txid)[::-1], register.first_vout)
    return genesis_hash, outpoint


def get_oldest_unanchored_at() -> datetime | None:
    """Return when the oldest record without a mined anchor was registered, or None if every record has one."""
    unmined = Batch.objects.exclude(anchor__height__isnull=False).order_by("seq").first()
    # Places are given in the order of keys, which sort by time: the first record of a batch stands for its oldest.
    oldest = [Record.objects.filter(batch=None).order_by("id")[:1]]
    if unmined is not None:
        oldest.append(Record.objects.filter(index=unmined.first_index))
    moments = [moment for rows in oldest for moment in rows.values_list("registered_at", flat=True)]
    return min(moments, default=None)
