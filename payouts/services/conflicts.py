"""Coins that cannot come back: told from followed blocks, for coins whose own block has left the chain.

A coin exists only while the transaction that made it, its parent, is in the chain. Two transactions that spend the same
output are never in one chain. So once a block contains another spender of one of the parent's inputs, the coin cannot
exist as long as that block stays.
"""

import struct
from collections.abc import Mapping

from django.db.models import Q

from chain.transactions import Transaction
from database.transactions import require_transaction
from payouts.models import PayoutBatch, WalletCoin

OUTPOINT = struct.Struct("<32sI")
"""An output's place as in a transaction: its id in wire order, its number little-endian."""

State = WalletCoin.State


def pack_inputs(parent: Transaction) -> bytes:
    """Return what a transaction spends, 36 bytes for each input; nothing for a coinbase, which spends nothing."""
    if parent.is_coinbase:
        return b""
    return b"".join(OUTPOINT.pack(bytes.fromhex(item.txid)[::-1], item.vout) for item in parent.inputs)


def unpack_inputs(packed: bytes) -> list[tuple[str, int]]:
    """Return the outputs, as transaction id and number, that pack_inputs had packed."""
    return [(txid[::-1].hex(), vout) for txid, vout in OUTPOINT.iter_unpack(packed)]


def note_conflicts(*, spenders: Mapping[tuple[str, int], str], height: int) -> None:
    """Note which undone coins a block makes impossible: a step of the transaction that applies the block.

    `spenders` names, for every output that the block spends, the transaction that spends it.
    """
    require_transaction()
    for coin in WalletCoin.objects.filter(state=State.UNDONE, conflict_txid=""):
        conflicts = {spenders.get(outpoint, coin.txid) for outpoint in unpack_inputs(bytes(coin.parent_inputs))}
        conflicts.discard(coin.txid)
        if conflicts:
            coin.conflict_txid, coin.conflict_height = min(conflicts), height
            coin.save(update_fields=["conflict_txid", "conflict_height"])


def forget_conflicts(*, height: int) -> None:
    """Forget the conflicts of a block that leaves the chain: a step of the transaction that undoes the block.

    A coin's first conflict is the one that is kept, so nothing above the block needs to be looked at again.
    """
    require_transaction()
    noted = WalletCoin.objects.filter(state=State.UNDONE, conflict_height=height)
    noted.update(conflict_txid="", conflict_height=None)


def find_lost_input(*, batch: PayoutBatch, final_height: int) -> str:
    """Say why a batch can never be mined, as far as followed blocks tell it exactly; "" if they do not.

    It cannot if a final block spends an input otherwise, or makes an input impossible: by another spend of its parent's
    inputs, by another coinbase in its place, or because its parent is a batch that has failed.
    """
    inputs = batch.inputs.order_by("txid", "vout")
    is_spent = ~Q(spent_txid="") & ~Q(spent_txid=batch.txid) & Q(spent_height__lte=final_height)
    coin = inputs.filter(is_spent).first()
    if coin is not None:
        return f"{coin} is spent by {coin.spent_txid} at height {coin.spent_height}."
    undone = inputs.filter(state=State.UNDONE)
    coin = undone.filter(conflict_height__lte=final_height).first()
    if coin is not None:
        return f"{coin} cannot exist: {coin.conflict_txid} at height {coin.conflict_height} spends what its parent did."
    coin = undone.filter(is_coinbase=True, height__lte=final_height).first()
    if coin is not None:
        return f"{coin} cannot exist: another block is final at its coinbase's height {coin.height}."
    failed = PayoutBatch.objects.filter(state=PayoutBatch.State.FAILED).exclude(txid=None)
    coin = undone.filter(kind=WalletCoin.Kind.CHANGE, txid__in=failed.values("txid")).first()
    return "" if coin is None else f"{coin} cannot exist: the payout batch that made it has failed."
