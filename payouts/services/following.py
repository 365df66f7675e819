"""Follows the chain for the payout wallet: coins come, mature and are spent; payout batches are mined, final or undone.

Every block's effects and the cursor are one transaction, so they happen exactly once, and are undone exactly once.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from django.conf import settings
from django.db.models import Max, Q

from chain.consumers import name_consumer
from chain.follower import BlockEvent, follow
from chain.node import NodeClient
from chain.transactions import Block, Output, Transaction
from database.transactions import require_transaction
from payouts.models import DepositAddress, WalletCoin
from payouts.services.batch_states import fail_conflicted_batches, mine_batches, pay_final_batches, unmine_batches
from payouts.services.conflicts import forget_conflicts, note_conflicts, pack_inputs
from payouts.services.deposits import credit_coin, undo_coin
from payouts.services.wallet_keys import DEPOSIT_BRANCH, derive_script

logger = logging.getLogger(__name__)
LOOK_AHEAD = 20
"""How many addresses that were not handed out yet are watched (BIP 44's gap limit)."""

COINBASE_CONFIRMATIONS = 100
"""A block's subsidy cannot be spent earlier (a consensus rule)."""

P2WPKH_BYTES = 22
P2WPKH_PREFIX = b"\x00\x14"
QUERY_CHUNK = 500

Kind = WalletCoin.Kind
State = WalletCoin.State
T = TypeVar("T")


def get_consumer() -> str:
    """Return the name under which payouts follow the chain: each network has a cursor of its own."""
    return name_consumer("payouts")


def follow_chain(*, node: NodeClient, now: datetime) -> int:
    """Apply the blocks that came or went since the last call, and return how many there were.

    Raises WalletKeyMissingError if the wallet has no public key, and what chain.follower.iterate_events raises:
    NodeUnavailableError if the node does not answer or is behind, and others if it runs another network, has pruned
    what is needed, contradicts itself, or shows another chain.
    """
    return follow(node=node, consumer=get_consumer(), apply=lambda event: apply_event(event=event, now=now), now=now)


def apply_event(*, event: BlockEvent, now: datetime) -> None:
    """Apply one block that joined or left the best chain: a step."""
    require_transaction()
    if event.block is None:
        _undo_block(event=event, now=now)
        return
    _find_deposits(block=event.block, now=now)
    mine_batches(block=event.block, now=now)
    _notice_spends(block=event.block)
    _credit_mature_coins(tip_height=event.height, now=now)
    final_height = event.height - settings.CADASTRE_CONFIRMATIONS_FINAL + 1
    pay_final_batches(final_height=final_height, now=now)
    fail_conflicted_batches(final_height=final_height, now=now)


def _find_deposits(*, block: Block, now: datetime) -> None:
    """Note every output that pays an address of the deposit branch, handed out or next to be."""
    paid = [
        (paying, vout, output)
        for paying in block.transactions
        for vout, output in enumerate(paying.outputs)
        if len(output.script) == P2WPKH_BYTES and output.script.startswith(P2WPKH_PREFIX)
    ]
    scripts = sorted({output.script for _, _, output in paid})
    issued = {
        bytes(address.script): address
        for chunk in _chunks(scripts)
        for address in DepositAddress.objects.filter(script__in=chunk)
    }
    upcoming = _derive_upcoming()
    for paying, vout, output in paid:
        address = issued.get(output.script)
        index = upcoming.get(output.script) if address is None else address.index
        if index is not None:
            _note_coin(block=block, paying=paying, vout=vout, output=output, address=address, index=index, now=now)


def _derive_upcoming() -> dict[bytes, int]:
    """Return the scripts of addresses that nobody was given, as far as they are watched, with their indexes.

    These are the next ones, and those around a coin that is nobody's: what precedes such a coin is never handed out
    any more, but whoever was given it before the database was restored may still pay there.
    """
    last = DepositAddress.objects.aggregate(last=Max("index"))["last"]
    first = 0 if last is None else last + 1
    watched = set(range(first, first + LOOK_AHEAD))
    # Such coins stay as they are for ever; by their states they are found without reading all coins.
    unknown = WalletCoin.objects.filter(state__in=[State.SEEN, State.UNDONE], kind=Kind.UNKNOWN).order_by()
    for index in unknown.values_list("index", flat=True).distinct():
        watched.update(range(max(0, index - LOOK_AHEAD), index + LOOK_AHEAD + 1))
    return {derive_script(branch=DEPOSIT_BRANCH, index=index): index for index in watched}


def _note_coin(
    *,
    block: Block,
    paying: Transaction,
    vout: int,
    output: Output,
    address: DepositAddress | None,
    index: int,
    now: datetime,
) -> None:
    """Keep a coin as SEEN; one that a reorganisation had undone keeps its row and its count of credits."""
    if output.value_sat == 0:
        # An output of zero is valid in a block but is no money.
        return
    kind = Kind.UNKNOWN
    if address is not None and output.value_sat < settings.CADASTRE_DEPOSIT_MIN_SAT:
        kind = Kind.DUST
    elif address is not None:
        kind = Kind.CAPITAL if address.user_id is None else Kind.DEPOSIT
    coin, is_new = WalletCoin.objects.update_or_create(
        txid=paying.txid,
        vout=vout,
        defaults={
            "value_sat": output.value_sat,
            "script": output.script,
            "kind": kind,
            "state": State.SEEN,
            "is_internal": False,
            "index": index,
            "deposit_address": address,
            "height": block.height,
            "block_hash": block.hash,
            "parent_inputs": pack_inputs(paying),
            "is_coinbase": paying.is_coinbase,
            "seen_at": now,
        },
    )
    if is_new and kind == Kind.UNKNOWN:
        logger.warning(
            "Coin %s of %s sat pays the address %s of the deposit branch, which was never handed out.",
            coin,
            coin.value_sat,
            coin.index,
        )


def _notice_spends(*, block: Block) -> None:
    """Note which of the wallet's coins this block spends, whoever spends them, and which it makes impossible."""
    spenders = {(spent.txid, spent.vout): spending.txid for spending in block.transactions for spent in spending.inputs}
    for chunk in _chunks(sorted({txid for txid, _ in spenders})):
        for coin in WalletCoin.objects.filter(txid__in=chunk):
            spender = spenders.get((coin.txid, coin.vout))
            if spender is not None:
                coin.spent_txid, coin.spent_height = spender, block.height
                coin.save(update_fields=["spent_txid", "spent_height"])
    note_conflicts(spenders=spenders, height=block.height)


def _credit_mature_coins(*, tip_height: int, now: datetime) -> None:
    """Credit the deposits that have reached their confirmations with this block."""
    confirmations = settings.CADASTRE_DEPOSIT_CONFIRMATIONS
    deep = Q(is_coinbase=False, height__lte=tip_height - confirmations + 1)
    mature = Q(is_coinbase=True, height__lte=tip_height - max(confirmations, COINBASE_CONFIRMATIONS) + 1)
    waiting = WalletCoin.objects.filter(deep | mature, state=State.SEEN, kind__in=[Kind.DEPOSIT, Kind.CAPITAL])
    for coin in waiting.select_related("deposit_address__user").order_by("id"):
        credit_coin(coin=coin, now=now)


def _undo_block(*, event: BlockEvent, now: datetime) -> None:
    """Take back everything that a block had brought, in the opposite order."""
    unmine_batches(block_hash=event.hash, now=now)
    WalletCoin.objects.filter(spent_height=event.height).update(spent_txid="", spent_height=None)
    forget_conflicts(height=event.height)
    arrived = WalletCoin.objects.filter(block_hash=event.hash).exclude(state=State.UNDONE)
    for coin in arrived.select_related("deposit_address__user").order_by("id"):
        undo_coin(coin=coin, now=now)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Split a sequence, so that no query has more parameters than an engine takes."""
    for start in range(0, len(items), QUERY_CHUNK):
        yield items[start : start + QUERY_CHUNK]
