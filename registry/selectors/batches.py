"""What a batch and a register commit to, as the verifier's formats have it, and how long records have waited."""

from datetime import datetime

from django.conf import settings
from django.db.models import F, Min

from chain.networks import get_network
from registry.models import Batch, Record, Register
from registry.proof import commitments
from registry.selectors.records import get_leaf_holder


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
    """Return when the oldest record without a mined anchor was registered, or None if every record has one.

    All batches without one are looked at, also of a register that another succeeds: a reorganisation may undo several
    anchors. Places are given in the order of keys, which sort by time, so that the first record of a batch stands for
    its oldest, and the first that waits for all that wait.
    """
    network = Batch.objects.filter(register__network=settings.CADASTRE_NETWORK, continued_by=None)
    unmined = network.exclude(anchor__height__isnull=False).select_related("continues").defer("subtree_roots")
    holders = [get_leaf_holder(batch).id for batch in unmined]
    in_batches = Record.objects.filter(batch__in=holders, index=F("batch__first_index"))
    moments = [
        Record.objects.filter(batch=None).order_by("id").values_list("registered_at", flat=True).first(),
        in_batches.order_by().aggregate(oldest=Min("registered_at"))["oldest"] if holders else None,
    ]
    return min((moment for moment in moments if moment is not None), default=None)
