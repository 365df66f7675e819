"""Follows the coins of the anchor keys through blocks: what was paid to them, and what spent it."""

import logging

from django.conf import settings

from chain.transactions import Block, Transaction
from database.transactions import require_transaction
from registry.models import Anchor, AnchorCoin, AnchorTransaction, Register
from registry.selectors.funds import get_continuation
from registry.selectors.registers import list_registers
from registry.services.anchor_keys import list_watched_scripts

Outpoint = tuple[str, int]

logger = logging.getLogger(__name__)


def note_coins(*, block: Block) -> None:
    """Note the coins that a block pays to the anchor keys, and those that it spends: a step."""
    require_transaction()
    scripts = list_watched_scripts()
    unspent = _list_unspent()
    ends = _list_chain_ends()
    for paid in block.transactions:
        for item in paid.inputs:
            outpoint = (item.txid, item.vout)
            if outpoint in unspent:
                unspent.discard(outpoint)
                _spend(outpoint, txid=paid.txid, block=block)
            if outpoint in ends:
                _report_end(paid, block=block, register=ends[outpoint])
        for vout, output in enumerate(paid.outputs):
            if output.script in scripts and not _is_continuation(paid, vout):
                unspent.add((paid.txid, vout))
                _find(paid, vout, block=block)


def undo_coins(*, block_hash: str) -> None:
    """Take back what a block did to the coins: a step."""
    require_transaction()
    AnchorCoin.objects.filter(spent_block_hash=block_hash).update(spent_txid="", spent_block_hash="")
    AnchorCoin.objects.filter(block_hash=block_hash).update(height=None, block_hash="")


def _list_unspent() -> set[Outpoint]:
    coins = AnchorCoin.objects.filter(network=settings.CADASTRE_NETWORK, spent_txid="")
    return set(coins.values_list("txid", "vout"))


def _list_chain_ends() -> dict[Outpoint, Register]:
    """Return the outputs that the next anchors of the network's registers will spend."""
    ends = {}
    for register in list_registers():
        mined = Anchor.objects.filter(batch__register=register, height__isnull=False).select_related("current")
        last = mined.order_by("-batch__seq").first()
        coin = get_continuation(register, last.current if last else None)
        ends[(coin.txid, coin.vout)] = register
    return ends


def _report_end(paid: Transaction, *, block: Block, register: Register) -> None:
    """Report a transaction that is not ours and spends a register's continuation: its chain of anchors ends there."""
    if not AnchorTransaction.objects.filter(txid=paid.txid).exists():
        logger.critical(
            "%s in block %s spends the continuation of %s: its chain has ended", paid.txid, block.hash, register
        )


def _is_continuation(paid: Transaction, vout: int) -> bool:
    return vout == 0 and AnchorTransaction.objects.filter(txid=paid.txid).exists()


def _spend(outpoint: Outpoint, *, txid: str, block: Block) -> None:
    coin = AnchorCoin.objects.filter(network=settings.CADASTRE_NETWORK, txid=outpoint[0], vout=outpoint[1])
    coin.update(spent_txid=txid, spent_block_hash=block.hash)


def _find(paid: Transaction, vout: int, *, block: Block) -> None:
    """Note a coin, or that one is in a block again after a reorganisation."""
    output = paid.outputs[vout]
    coin, is_new = AnchorCoin.objects.get_or_create(
        network=settings.CADASTRE_NETWORK,
        txid=paid.txid,
        vout=vout,
        defaults={
            "value_sat": output.value_sat,
            "script": output.script,
            "is_coinbase": paid.is_coinbase,
            "height": block.height,
            "block_hash": block.hash,
        },
    )
    if not is_new:
        AnchorCoin.objects.filter(id=coin.id).update(height=block.height, block_hash=block.hash)
