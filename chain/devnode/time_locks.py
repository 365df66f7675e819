"""When a transaction may be mined: nLockTime, relative locks (BIP 68) and the age of coinbase outputs."""

from dataclasses import dataclass

from chain.devnode.coins import UnspentOutput
from chain.devnode.policy import MempoolRejection
from chain.devnode.tree import BlockTree
from chain.transactions import Transaction

COINBASE_MATURITY_BLOCKS = 100
_LOCK_TIME_THRESHOLD = 500_000_000
_SEQUENCE_FINAL = 0xFFFFFFFF
_SEQUENCE_DISABLED = 1 << 31
_SEQUENCE_IS_TIME = 1 << 22
_SEQUENCE_MASK = 0xFFFF
_SEQUENCE_SECONDS_SHIFT = 9
_BIP68_VERSION = 2


@dataclass(frozen=True)
class SpentCoin:
    """An output that a transaction spends; unconfirmed ones count as made in the next block."""

    coin: UnspentOutput
    is_confirmed: bool


def check_time_locks(transaction: Transaction, spent: list[SpentCoin], tree: BlockTree) -> None:
    """Check that the transaction could be in the next block.

    Raises MempoolRejection if it is not final, a relative lock still holds, or a coinbase it spends is too
    young.
    """
    height = tree.tip.block.height + 1
    median_time = tree.median_time(tree.tip.block)
    if not _is_final(transaction, height, median_time):
        raise MempoolRejection("non-final")
    if transaction.version >= _BIP68_VERSION:
        for item, coin in zip(transaction.inputs, spent, strict=True):
            if not _is_relative_lock_open(item.sequence, coin, tree):
                raise MempoolRejection("non-BIP68-final")
    for coin in spent:
        depth = height - coin.coin.height
        if coin.coin.is_coinbase and depth < COINBASE_MATURITY_BLOCKS:
            details = f"tried to spend coinbase at depth {depth}"
            raise MempoolRejection("bad-txns-premature-spend-of-coinbase", details)


def _is_final(transaction: Transaction, height: int, median_time: int) -> bool:
    """Tell whether nLockTime has passed for a block at `height` (Core's IsFinalTx, BIP 113)."""
    limit = height if transaction.lock_time < _LOCK_TIME_THRESHOLD else median_time
    if transaction.lock_time == 0 or transaction.lock_time < limit:
        return True
    return all(item.sequence == _SEQUENCE_FINAL for item in transaction.inputs)


def _is_relative_lock_open(sequence: int, spent: SpentCoin, tree: BlockTree) -> bool:
    """Tell whether one input's relative lock has passed for the next block (BIP 68)."""
    if sequence & _SEQUENCE_DISABLED:
        return True
    value = sequence & _SEQUENCE_MASK
    coin_height = spent.coin.height
    if not sequence & _SEQUENCE_IS_TIME:
        return tree.tip.block.height + 1 >= coin_height + value
    before = tree.find_active(max(coin_height - 1, 0)) or tree.tip
    lock_end = tree.median_time(before.block) + (value << _SEQUENCE_SECONDS_SHIFT)
    return tree.median_time(tree.tip.block) >= lock_end
