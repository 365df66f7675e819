"""Follows the coins of the anchor keys through blocks: what was paid to them, and what spent it."""

import logging
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from django.conf import settings
from django.db import transaction

from chain.blocks import fetch_block
from chain.errors import NodeBehindError, NodeChainMovedError
from chain.follower import find_tip, lock_cursor
from chain.models import FollowedBlock
from chain.node import NodeClient
from chain.transactions import Block, Coin, Transaction
from database.transactions import require_transaction
from registry.errors import AnchorKeyMissingError
from registry.models import AnchorCoin, AnchorTransaction
from registry.selectors.chain_ends import find_chain_end
from registry.selectors.registers import find_register, get_consumer, list_registers
from registry.services.anchor_keys import get_anchor_keys, list_watched_scripts, note_anchor_scripts

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
                _note_end(ends[outpoint], paid, block=block)
        for vout, output in enumerate(paid.outputs):
            if output.script in scripts and not _is_continuation(paid, vout):
                unspent.add((paid.txid, vout))
                _find(paid, vout, block=block)


def undo_coins(*, block_hash: str) -> None:
    """Take back what a block did to the coins: a step."""
    require_transaction()
    AnchorCoin.objects.filter(spent_block_hash=block_hash).update(spent_txid="", spent_block_hash="")
    AnchorCoin.objects.filter(block_hash=block_hash).update(height=None, block_hash="")


def find_coins(*, node: NodeClient, now: datetime, from_height: int | None = None) -> int:
    """Note unspent coins of the anchor keys in blocks that were followed before their keys were watched.

    Looks at the node's blocks from `from_height` (without it CADASTRE_CHAIN_START_HEIGHT) up to the registry's cursor,
    and returns how many coins are new. Continuations and the registers' first outpoints are none. The keys of this
    machine are made known to the workers first, so that later blocks are theirs to look at.
    Raises NodeBehindError if the node is below the cursor, NodeChainMovedError if its chain is not the followed one,
    BlockPrunedError if it has pruned a block, NodeUnavailableError if it does not answer.
    """
    register = find_register()
    if register is not None:
        with suppress(AnchorKeyMissingError):
            note_anchor_scripts(register=register, keys=get_anchor_keys(), now=now)
    with transaction.atomic(durable=True):
        # A block that another worker is applying without these keys is below the cursor once this is locked.
        lock_cursor(get_consumer())
        tip = find_tip(get_consumer())
    if tip is None:
        return 0
    scripts, found = list_watched_scripts(), 0
    first_height = settings.CADASTRE_CHAIN_START_HEIGHT if from_height is None else from_height
    for height in range(first_height, tip.height + 1):
        block_hash = node.find_block_hash(height)
        if block_hash is None:
            raise NodeBehindError(f"the node has no block at height {height}, below {tip}")
        block = fetch_block(node=node, block_hash=block_hash, height=height)
        found += sum(_note_unspent(node, paid, vout, block=block) for paid, vout in _list_unknown(block, scripts))
    return found


def _list_unknown(block: Block, scripts: Collection[bytes]) -> list[tuple[Transaction, int]]:
    """Return the outputs of a block that pay the anchor keys and are neither known nor a register's own chain."""
    paid_here = [
        (paid, vout)
        for paid in block.transactions
        for vout, output in enumerate(paid.outputs)
        if output.script in scripts and not _is_continuation(paid, vout)
    ]
    if not paid_here:
        return []
    coins = AnchorCoin.objects.filter(network=settings.CADASTRE_NETWORK, txid__in={paid.txid for paid, _ in paid_here})
    known = {*coins.values_list("txid", "vout"), *list_registers().values_list("first_txid", "first_vout")}
    return [(paid, vout) for paid, vout in paid_here if (paid.txid, vout) not in known]


def _note_unspent(node: NodeClient, paid: Transaction, vout: int, *, block: Block) -> bool:
    """Note a coin of a followed block if the node has it unspent; tell whether it was.

    A block that is followed between the node's answer and the row could spend it: then the node is asked again.
    """
    consumer = get_consumer()
    while (tip := find_tip(consumer)) is not None and block.height <= tip.height:
        if node.get_txout(paid.txid, vout, include_mempool=False) is None:
            return False
        if (node.find_block_hash(tip.height), node.find_block_hash(block.height)) != (tip.hash, block.hash):
            raise NodeChainMovedError
        with transaction.atomic(durable=True):
            lock_cursor(consumer)
            if find_tip(consumer) != tip:
                continue
            # Rows of blocks that are deeper than any reorganisation are not kept.
            if FollowedBlock.objects.filter(consumer=consumer, height=block.height).exclude(hash=block.hash).exists():
                raise NodeChainMovedError
            _find(paid, vout, block=block)
            return True
    return False  # the cursor went back below the block: its follower looks at it again


def _list_unspent() -> set[Outpoint]:
    coins = AnchorCoin.objects.filter(network=settings.CADASTRE_NETWORK, spent_txid="")
    return set(coins.values_list("txid", "vout"))


def _list_chain_ends() -> dict[Outpoint, Coin]:
    """Return the outputs that the next anchors of the network's registers will spend."""
    coins = [find_chain_end(register) for register in list_registers()]
    return {(coin.txid, coin.vout): coin for coin in coins}


def _note_end(coin: Coin, paid: Transaction, *, block: Block) -> None:
    """Note a transaction that is not ours and spends a register's continuation: its chain of anchors ends there.

    The row says in no block where the coin is, so that it is no top-up, also once the block that spends it is undone.
    """
    if AnchorTransaction.objects.filter(txid=paid.txid).exists():
        return
    AnchorCoin.objects.get_or_create(
        network=settings.CADASTRE_NETWORK,
        txid=coin.txid,
        vout=coin.vout,
        defaults={"value_sat": coin.value_sat, "script": coin.script, "is_coinbase": False},
    )
    _spend((coin.txid, coin.vout), txid=paid.txid, block=block)
    logger.critical(
        "%s in block %s spends the continuation %s:%s: its chain has ended", paid.txid, block.hash, coin.txid, coin.vout
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
