"""Seals batches: fixes an order of leaves, their Merkle root, and the commitment that an anchor will publish."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from chain.follower import find_tip
from chain.selectors import get_block_hash_at
from database.keys import make_key
from database.transactions import require_transaction
from registry.errors import BatchStateError, RegisterMissingError
from registry.models import Batch, Record, Register
from registry.proof import commitments
from registry.selectors.batches import get_batch_fields, get_register_fields
from registry.trees import build_root

CONSUMER = "registry"
"""The name under which the registry follows the chain."""

LEAVES_MAX = 1_000_000
"""Leaves of one batch; more wait for the next."""


def seal_due_batches(*, now: datetime) -> int:
    """Seal a batch if its records are old or many enough by the operator's settings; return how many were sealed.

    While a sealed batch still waits for its block, nothing is sealed: anchors go one by one, so a further batch would
    only wait as well, and the open one can grow instead.
    Raises RegisterMissingError if records wait and no register has been founded to seal them in.
    """
    if Batch.objects.exclude(anchor__height__isnull=False).exists():
        return 0
    oldest = Record.objects.filter(batch=None).order_by("registered_at").values_list("registered_at", flat=True).first()
    if oldest is None:
        return 0
    is_old = oldest + timedelta(seconds=settings.CADASTRE_SEAL_AGE_SECONDS) <= now
    if not is_old and Record.objects.filter(batch=None).count() < settings.CADASTRE_SEAL_COUNT:
        return 0
    seal_batch(now=now)
    return 1


def seal_batch(*, now: datetime) -> Batch:
    """Give every record that has no batch its place in a new one, and fix the batch's root and commitment.

    Registration goes on meanwhile: a record that commits later falls into the next batch.
    Raises RegisterMissingError if there is no register, BatchStateError if no record waits or the chain has not been
    followed as deep as the recent block must lie.
    """
    with transaction.atomic(durable=True):
        # The register's row serialises sealing: two workers cannot give out the same seq or index.
        register = Register.objects.select_for_update().filter(network=settings.CADASTRE_NETWORK).first()
        if register is None:
            raise RegisterMissingError
        last = Batch.objects.filter(register=register).order_by("-seq").first()
        batch = Batch(
            id=make_key(),
            register=register,
            seq=0 if last is None else last.seq + 1,
            first_index=0 if last is None else last.first_index + last.size,
            previous_commitment=_get_genesis_commitment(register) if last is None else bytes(last.commitment),
            recent_block_hash=_get_recent_block_hash(),
            sealed_at=now,
        )
        leaves = _take_leaves(batch)
        if not leaves:
            raise BatchStateError
        batch.size = len(leaves)
        batch.root = build_root(leaves)
        batch.commitment = commitments.commitment_hash(get_batch_fields(batch))
        # The rows point at the batch already; the engines check foreign keys at the commit.
        batch.save(force_insert=True)
    return batch


def _get_genesis_commitment(register: Register) -> bytes:
    genesis_hash, outpoint = get_register_fields(register)
    return commitments.genesis_commitment(genesis_block_hash=genesis_hash, first_outpoint=outpoint)


def _get_recent_block_hash() -> str:
    """Return the hash of the block that bounds the batch's time from below, too deep to be reorganised away."""
    tip = find_tip(CONSUMER)
    height = -1 if tip is None else tip.height - settings.CADASTRE_RECENT_BLOCK_DEPTH + 1
    if tip is None or height < 0:
        raise BatchStateError("the chain has not been followed deep enough to name a recent block")
    return get_block_hash_at(CONSUMER, height)


def _take_leaves(batch: Batch) -> list[bytes]:
    """Give waiting records their indexes in the order of their ids, by one statement, and return their leaves."""
    require_transaction()
    table = connection.ops.quote_name(Record._meta.db_table)  # noqa: SLF001  Django documents it
    index = connection.ops.quote_name("index")
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET batch_id = %s, {index} = ranked.place FROM ("  # noqa: S608  only names are formatted
            f"SELECT id AS record_id, %s + row_number() OVER (ORDER BY id) - 1 AS place FROM {table} "
            f"WHERE batch_id IS NULL ORDER BY id LIMIT %s) AS ranked WHERE {table}.id = ranked.record_id",
            [_adapt_key(batch.id), batch.first_index, LEAVES_MAX],
        )
    leaves = Record.objects.filter(batch_id=batch.id).order_by("index").values_list("leaf", flat=True)
    return [bytes(leaf) for leaf in leaves]


def _adapt_key(key: UUID) -> UUID | str:
    """Return a key as the engine stores it: SQLite has it as 32 hex digits."""
    return key if connection.features.has_native_uuid_field else key.hex
