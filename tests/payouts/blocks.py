"""Blocks that pay and spend, applied to the payout wallet without a node."""

from django.db import transaction

from chain.follower import BlockEvent
from chain.transactions import Block, Coin, Output, Transaction, build_transaction, parse_transaction
from payouts.services.following import apply_event
from tests.factories.payouts import NOW

OUTSIDE = Coin("ab" * 32, 0, 10**9, b"\x00\x14" + bytes(20))


def pay(script: bytes, value_sat: int, *, coin: Coin = OUTSIDE, lock_time: int = 0) -> Transaction:
    """Return a transaction that pays a script, and something else."""
    outputs = [Output(1, b"\x51"), Output(value_sat, script)]
    return parse_transaction(build_transaction(coins=[coin], outputs=outputs, lock_time=lock_time))


def connect(height: int, *transactions: Transaction, block_hash: str = "") -> None:
    """Apply a block at a height."""
    block = Block(
        hash=block_hash or f"{height:064x}",
        previous_hash=f"{height - 1:064x}",
        height=height,
        time=0,
        header=bytes(80),
        transactions=transactions,
    )
    with transaction.atomic():
        apply_event(event=BlockEvent("connected", height, block.hash, block), now=NOW)


def disconnect(height: int) -> None:
    """Take the block at a height back."""
    with transaction.atomic():
        apply_event(event=BlockEvent("disconnected", height, f"{height:064x}", None), now=NOW)
