"""Continues a register whose anchor key was lost: a new one on another key cites it, and takes over what it left.

The old key cannot sign, so nothing proves the succession. What the old register anchored stays proved by it; what it
sealed and never got into a block is committed to again by the new one, with the same leaves in the same order. So is
what leaves its block later, and does not come back.
"""

from datetime import datetime

from django.db import transaction

from chain.node import NodeClient
from database.keys import make_key
from database.transactions import require_transaction
from registry.errors import BatchStateError, SuccessionError
from registry.models import Anchor, Batch, Record, Register
from registry.proof import commitments
from registry.selectors.batches import get_batch_fields
from registry.selectors.funds import get_continuation
from registry.selectors.registers import find_register, get_register
from registry.selectors.waiting import list_unmined
from registry.services.anchor_keys import get_anchor_keys
from registry.services.anchor_versions import is_rooted
from registry.services.anchors import is_overdue
from registry.services.batches import get_genesis_commitment, get_recent_block_hash
from registry.services.founding import create_register, get_first_output
from registry.services.records import register_document

DOCUMENT_TYPE = "cadastre/succession/v1"


def succeed_register(*, old_outpoint: str, txid: str, vout: int, node: NodeClient, now: datetime) -> Register:
    """Found the register that succeeds the active one, and return it.

    `old_outpoint` (TXID:VOUT) names the active register, so that nothing is succeeded by mistake. In one transaction:

    1. the new register, which is active from now on;
    2. its first batch, of one leaf: the record of kind 7 that cites the old register;
    3. a batch for each one that the old register sealed and has in no block, with its leaves.

    Raises RegisterMissingError if nothing is founded, SuccessionError if the active register is another one, still has
    its key here, or has an OPEN batch, FirstOutpointError as found_register does, BatchStateError if the chain has not
    been followed deep enough, AnchorKeyMissingError without a key.
    """
    old = get_register()
    _check_lost(old, old_outpoint=old_outpoint)
    output = get_first_output(txid=txid, vout=vout, node=node)
    with transaction.atomic(durable=True):
        # The old register's row serialises this with sealing and with another succession.
        Register.objects.select_for_update().get(id=old.id)
        if find_register() != old:
            raise SuccessionError("Another register has succeeded it meanwhile.")
        if Batch.objects.filter(register=old, state=Batch.State.OPEN).exists():
            raise SuccessionError("A batch is being sealed. Let that end, and try again.")
        stranded = list(Batch.objects.filter(register=old).exclude(anchor__height__isnull=False).order_by("seq"))
        register = create_register(txid=txid, vout=vout, output=output, succeeds=old, now=now)
        last = _seal_citation(register, old=old, stranded=stranded, now=now)
        for batch in stranded:
            last = _continue_batch(batch, after=last, now=now)
    return register


def continue_lost_batches(*, now: datetime) -> int:
    """Continue the batches of succeeded registers whose anchor left its block and does not come back; return how many.

    A reorganisation after the succession may undo them. Their bytes are sent again, and mostly mined again. Where they
    spend an output that was mined in another version, or no block takes them until the deadline, nobody has the key to
    sign them anew: the active register commits to their leaves. If the anchor is mined after all, both are good.
    Raises BatchStateError if the chain has not been followed deep enough.
    """
    register = find_register()
    if register is None or register.succeeds_id is None:
        return 0
    others = [anchor for anchor in list_unmined() if anchor.batch.register_id != register.id]
    # An anchor whose parent was mined in another version, or that waited too long, as far as blocks were followed.
    lost = [anchor.id for anchor in others if is_overdue(anchor) or not is_rooted(anchor)]
    if not lost:
        return 0
    waiting = Anchor.objects.filter(id__in=lost, height=None, batch__continued_by=None)
    with transaction.atomic(durable=True):
        # The register's row serialises this with opening a batch, and with another succession.
        Register.objects.select_for_update().get(id=register.id)
        last = Batch.objects.filter(register=register).select_related("register").order_by("-seq").first()
        if find_register() != register or last is None or last.state == Batch.State.OPEN:
            return 0
        due = list(waiting.select_related("batch").order_by("batch__register_id", "batch__seq"))
        for anchor in due:
            last = _continue_batch(anchor.batch, after=last, now=now)
    return len(due)


def _check_lost(old: Register, *, old_outpoint: str) -> None:
    """Check that the register is the one that is meant, and that its chain cannot be continued from here."""
    if old_outpoint != f"{old.first_txid}:{old.first_vout}":
        raise SuccessionError(f"The active register is {old.first_txid}:{old.first_vout}, not {old_outpoint}.")
    last = Anchor.objects.filter(batch__register=old).select_related("current").order_by("-batch__seq").first()
    if get_continuation(old, last.current if last else None).script in get_anchor_keys().by_script:
        raise SuccessionError("The anchor key of the register is at hand: it goes on, or its key can be changed.")


def _seal_citation(register: Register, *, old: Register, stranded: list[Batch], now: datetime) -> Batch:
    """Register the document that cites the old register, and seal it as the new one's first batch: a step."""
    mined = Batch.objects.filter(register=old, anchor__height__isnull=False).order_by("-seq").first()
    commitment = get_genesis_commitment(old) if mined is None else bytes(mined.commitment)
    document = {
        "type": DOCUMENT_TYPE,
        "network": old.network,
        "first_outpoint": f"{old.first_txid}:{old.first_vout}",
        "last_seq": None if mined is None else str(mined.seq),
        "last_commitment": commitment.hex(),
        "continued": [{"seq": str(batch.seq), "commitment": bytes(batch.commitment).hex()} for batch in stranded],
    }
    record = register_document(kind=Record.Kind.SUCCESSION, document=document, now=now)
    leaf = bytes(record.leaf)
    batch = Batch(
        register=register,
        seq=0,
        first_index=0,
        size=1,
        previous_commitment=get_genesis_commitment(register),
        root=leaf,
        subtree_roots=leaf,
    )
    _seal(batch, now=now)
    if not Record.objects.filter(id=record.id, batch=None).update(batch=batch, index=0):
        raise BatchStateError("the record of the succession has a batch already")
    return batch


def _continue_batch(old: Batch, *, after: Batch, now: datetime) -> Batch:
    """Seal the leaves of a batch again, in the new register after another batch: a step."""
    batch = Batch(
        register=after.register,
        seq=after.seq + 1,
        first_index=after.first_index + after.size,
        size=old.size,
        previous_commitment=bytes(after.commitment),
        root=bytes(old.root),
        subtree_roots=bytes(old.subtree_roots),
        continues=old,
    )
    _seal(batch, now=now)
    return batch


def _seal(batch: Batch, *, now: datetime) -> None:
    """Complete a batch whose leaves and place are known, and write its row: a step."""
    require_transaction()
    batch.id = make_key()
    batch.state, batch.size_final = Batch.State.SEALED, batch.size
    batch.opened_at = batch.sealed_at = now
    batch.recent_block_hash = get_recent_block_hash()
    batch.commitment = commitments.commitment_hash(get_batch_fields(batch))
    batch.save(force_insert=True)
