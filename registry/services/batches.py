"""Seals batches: fixes an order of leaves, their Merkle root, and the commitment that an anchor will publish.

A batch is OPEN while waiting records get their places in it, a chunk in each transaction, so that a registration waits
for one chunk at most. Then its leaves are hashed outside of any transaction, and a last short one makes it SEALED.
Every step asks the rows how far it is: after a crash the next sweep goes on, and workers that race do the same work,
of which the first result counts.
"""

import logging
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from chain.errors import BlockNotFollowedError
from chain.follower import find_tip
from chain.selectors import get_block_hash_at
from database.keys import make_key
from database.transactions import require_transaction
from registry.errors import BatchStateError, RegisterMissingError
from registry.models import Anchor, Batch, Record, Register
from registry.proof import commitments
from registry.selectors.batches import get_batch_fields, get_register_fields
from registry.selectors.paths import list_subtree_leaves
from registry.selectors.registers import find_register, get_consumer
from registry.trees import SUBTREE_LEAVES, build_root

LEAVES_MAX = 1_000_000
"""Leaves of one batch; more wait for the next."""

SQLITE_PAUSE_S = 0.1

logger = logging.getLogger(__name__)


def seal_due_batches(*, now: datetime) -> int:
    """Seal a batch if its records are old or many enough by the operator's settings; return how many were sealed.

    A batch that is OPEN comes first: an earlier sweep was broken off. While a sealed batch still waits for its block,
    no other is opened: anchors go one by one, so it would only wait as well, and records can gather instead.
    Raises RegisterMissingError if records wait and no register has been founded to seal them in.
    """
    is_open = Batch.objects.filter(state=Batch.State.OPEN, register=find_register()).exists()
    if not is_open and not _is_batch_due(now=now):
        return 0
    seal_batch(now=now)
    return 1


def seal_batch(*, now: datetime) -> Batch:
    """Give the records that wait now their places in a batch, and fix its root and commitment.

    Goes on with the OPEN batch if there is one. Registration goes on meanwhile: what commits later falls into the next
    batch. Raises RegisterMissingError if there is no register, BatchStateError if no record waits or the chain has not
    been followed as deep as the recent block must lie.
    """
    batch = open_batch(now=now)
    while batch.state == Batch.State.OPEN and batch.size < batch.size_final:
        if connection.vendor == "sqlite":
            # Its writers do not queue: one that waits looks again after 0.1 s, and must find the database free then.
            time.sleep(SQLITE_PAUSE_S)
        batch = take_leaves(batch_id=batch.id)
    if batch.state == Batch.State.OPEN:
        batch = close_batch(batch=batch, now=now)
    return batch


def open_batch(*, now: datetime) -> Batch:
    """Open the next batch with its first chunk of leaves, or return the one that is OPEN.

    Its final size is that of the records that wait now, at most LEAVES_MAX.
    Raises RegisterMissingError or BatchStateError as seal_batch does.
    """
    with transaction.atomic(durable=True):
        # The register's row serialises opening: two workers cannot give out the same seq or index.
        active = Register.objects.select_for_update(of=("self",))
        register = active.filter(network=settings.CADASTRE_NETWORK, successor=None).first()
        if register is None:
            raise RegisterMissingError
        if find_register() != register:
            raise BatchStateError("another register has succeeded this one meanwhile")
        last = Batch.objects.filter(register=register).order_by("-seq").first()
        if last is not None and last.state == Batch.State.OPEN:
            return last
        get_recent_block_hash()
        waiting = Record.objects.filter(batch=None)[:LEAVES_MAX].count()
        if not waiting:
            raise BatchStateError
        batch = Batch(
            id=make_key(),
            register=register,
            seq=0 if last is None else last.seq + 1,
            first_index=0 if last is None else last.first_index + last.size,
            size=min(waiting, settings.CADASTRE_SEAL_CHUNK),
            size_final=waiting,
            previous_commitment=get_genesis_commitment(register) if last is None else bytes(last.commitment),
            opened_at=now,
        )
        batch.save(force_insert=True)
        _place_records(batch, offset=0, count=batch.size)
    return batch


def take_leaves(*, batch_id: UUID) -> Batch:
    """Give one more chunk of waiting records, in the order of their ids, places in an OPEN batch; return the batch.

    A batch that is full or sealed meanwhile is returned as it is.
    """
    with transaction.atomic(durable=True):
        batch = Batch.objects.select_for_update(of=("self",)).select_related("register").get(id=batch_id)
        count = min(settings.CADASTRE_SEAL_CHUNK, batch.size_final - batch.size)
        if batch.state == Batch.State.OPEN and count:
            _place_records(batch, offset=batch.size, count=count)
            Batch.objects.filter(id=batch_id).update(size=F("size") + count)
            batch.size += count
    return batch


def close_batch(*, batch: Batch, now: datetime) -> Batch:
    """Compute the root of an OPEN batch that has all its leaves, and make it SEALED; return it.

    The leaves are read and hashed outside of any transaction, a subtree at a time: their places are fixed already.
    Raises BatchStateError if it is not full, or if a leaf is missing.
    """
    if batch.size != batch.size_final:
        raise BatchStateError(f"{batch} has {batch.size} of its {batch.size_final} leaves")
    roots = [
        build_root(list_subtree_leaves(batch=batch, number=number))
        for number in range(-(-batch.size // SUBTREE_LEAVES))
    ]
    batch.root, batch.subtree_roots = build_root(roots), b"".join(roots)
    with transaction.atomic(durable=True):
        batch.recent_block_hash = get_recent_block_hash()
        batch.commitment = commitments.commitment_hash(get_batch_fields(batch))
        is_first = Batch.objects.filter(id=batch.id, state=Batch.State.OPEN).update(
            state=Batch.State.SEALED,
            root=batch.root,
            subtree_roots=batch.subtree_roots,
            recent_block_hash=batch.recent_block_hash,
            commitment=batch.commitment,
            sealed_at=now,
        )
    if not is_first:
        logger.info("another worker sealed %s", batch)
    return Batch.objects.select_related("register").get(id=batch.id)


def _is_batch_due(*, now: datetime) -> bool:
    """Return whether a batch may be opened, and the records that wait are old or many enough for one."""
    # Anchors are mined in the order of their batches, so if the last is in a block, all are.
    last_id = Batch.objects.filter(register=find_register()).order_by("-seq").values_list("id", flat=True).first()
    if last_id is not None and not Anchor.objects.filter(batch=last_id, height__isnull=False).exists():
        return False
    waiting = Record.objects.filter(batch=None)
    # Keys sort by time, so the first is the oldest but for what was registered at the same moment.
    oldest = waiting.order_by("id").values_list("registered_at", flat=True).first()
    if oldest is None:
        return False
    is_old = oldest + timedelta(seconds=settings.CADASTRE_SEAL_AGE_SECONDS) <= now
    return is_old or waiting[: settings.CADASTRE_SEAL_COUNT].count() >= settings.CADASTRE_SEAL_COUNT


def get_genesis_commitment(register: Register) -> bytes:
    """Return the commitment that stands before a register's first, 32 bytes."""
    genesis_hash, outpoint = get_register_fields(register)
    return commitments.genesis_commitment(genesis_block_hash=genesis_hash, first_outpoint=outpoint)


def get_recent_block_hash() -> str:
    """Return the hash of the block that bounds the batch's time from below, too deep to be reorganised away.

    Raises BatchStateError if the chain has not been followed so deep, or from a block above that one on.
    """
    tip = find_tip(get_consumer())
    height = -1 if tip is None else tip.height - settings.CADASTRE_RECENT_BLOCK_DEPTH + 1
    if tip is None or height < 0:
        raise BatchStateError("the chain has not been followed deep enough to name a recent block")
    try:
        return get_block_hash_at(get_consumer(), height)
    except BlockNotFollowedError as error:
        raise BatchStateError(f"no recent block can be named: {error}") from error


def _place_records(batch: Batch, *, offset: int, count: int) -> None:
    """Give the next `count` waiting records their indexes in the order of their ids, by one statement: a step.

    They are those behind the last one that the batch has, up to an id that is looked up first. With both ends named, an
    engine reads this range alone: neither the whole table, nor what earlier chunks have left in the index of those that
    wait. Raises BatchStateError if fewer wait.
    """
    require_transaction()
    first_index = batch.first_index + offset
    last = Record.objects.filter(index=first_index - 1, batch=batch).values_list("id", flat=True).first()
    waiting = Record.objects.filter(batch=None, id__gt=last or UUID(int=0)).order_by("id")
    end = waiting.values_list("id", flat=True)[count - 1 : count].first()
    if end is None:
        raise BatchStateError(f"fewer records wait than the {count} that {batch} counted on")
    bounds = [_adapt_key(last or UUID(int=0)), _adapt_key(end)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # New keys lie beyond what its statistics know: it expects one row, and would read the chunk for each of it.
            cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(
            'UPDATE registry_record SET batch_id = %s, "index" = ranked.place FROM ('
            "SELECT id AS record_id, %s + row_number() OVER (ORDER BY id) - 1 AS place FROM ("
            # The limit, for one that was registered in between.
            "SELECT id FROM registry_record WHERE batch_id IS NULL AND id > %s AND id <= %s ORDER BY id LIMIT %s"
            ") AS waiting) AS ranked "
            "WHERE registry_record.id = ranked.record_id AND registry_record.id > %s AND registry_record.id <= %s",
            [_adapt_key(batch.id), first_index, *bounds, count, *bounds],
        )
        if cursor.rowcount != count:
            raise BatchStateError(f"{cursor.rowcount} records got places in {batch}, where {count} waited")


def _adapt_key(key: UUID) -> UUID | str:
    """Return a key as the engine stores it: SQLite has it as 32 hex digits."""
    return key if connection.features.has_native_uuid_field else key.hex
