"""Follows the chain for the registry: anchors become MINED, then FINAL, and BROADCAST again when a block leaves."""

from datetime import datetime

from django.conf import settings

from chain.follower import BlockEvent, follow
from chain.node import NodeClient
from chain.transactions import Block
from database.transactions import require_transaction
from registry.models import Anchor, AnchorTransaction
from registry.proof.merkle import block_merkle_path
from registry.selectors.registers import get_consumer
from registry.selectors.waiting import list_anchor_ids
from registry.services.anchor_coins import note_coins, undo_coins


def follow_chain(*, node: NodeClient, now: datetime) -> int:
    """Apply the blocks that came or went since the last call, and return how many there were.

    Raises what chain.follower.iterate_events raises: NodeUnavailableError if the node does not answer or is behind, and
    others if it runs another network, has pruned what is needed, contradicts itself, or shows another chain.
    """
    return follow(node=node, consumer=get_consumer(), apply=lambda event: apply_event(event=event, now=now), now=now)


def apply_event(*, event: BlockEvent, now: datetime) -> None:
    """Move the anchors and the coins that one block concerns: a step."""
    require_transaction()
    if event.kind == "disconnected":
        undone = list_anchor_ids(block_hash=event.hash)
        Anchor.objects.filter(id__in=undone).update(
            state=Anchor.State.BROADCAST,
            height=None,
            block_hash="",
            # The deadline counts anew, from when the reorganisation is over and the anchor is offered again.
            waiting_from_height=None,
            changed_at=now,
        )
        # What is left may have too few blocks on top of it to be called final.
        shallow = list_anchor_ids(state=Anchor.State.FINAL, height__gt=get_final_height(event.height - 1))
        Anchor.objects.filter(id__in=shallow).update(state=Anchor.State.MINED, changed_at=now)
        undo_coins(block_hash=event.hash)
        return
    if event.block is None:
        raise ValueError("a connected event carries its block")
    _mine_anchors(block=event.block, now=now)
    note_coins(block=event.block)
    deep = list_anchor_ids(state=Anchor.State.MINED, height__lte=get_final_height(event.height))
    Anchor.objects.filter(id__in=deep).update(state=Anchor.State.FINAL, changed_at=now)


def get_final_height(tip_height: int) -> int:
    """Return the height of the highest block that is final under a tip."""
    return tip_height - settings.CADASTRE_CONFIRMATIONS_FINAL + 1


def _mine_anchors(*, block: Block, now: datetime) -> None:
    """Mark the anchors that this block contains, and keep what their proofs need of it.

    Those of a succeeded register count as well: they may still be mined.
    """
    waiting = AnchorTransaction.objects.filter(anchor__in=list_anchor_ids(height=None)).order_by()
    wanted = set(waiting.values_list("txid", flat=True))
    if not wanted:
        return
    found = [(index, paid.txid) for index, paid in enumerate(block.transactions) if paid.txid in wanted]
    if not found:
        return
    txids = [bytes.fromhex(paid.txid)[::-1] for paid in block.transactions]
    for index, txid in found:
        version = AnchorTransaction.objects.get(txid=txid)
        version.block_header = block.header
        version.block_index = index
        version.block_path = b"".join(block_merkle_path(txids, index))
        version.save(update_fields=["block_header", "block_index", "block_path"])
        # Whichever version was mined is the one that counts.
        Anchor.objects.filter(id=version.anchor_id, height=None).update(
            state=Anchor.State.MINED,
            current=version,
            height=block.height,
            block_hash=block.hash,
            refusal="",
            changed_at=now,
        )
