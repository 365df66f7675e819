"""The mempool between a clean stop and the next start: a file of transactions in hex, one a line,
parents first."""

import logging
from pathlib import Path

from chain.devnode.mempool import Mempool
from chain.devnode.policy import MempoolRejection
from chain.errors import TransactionFormatError
from chain.transactions import parse_transaction

logger = logging.getLogger(__name__)


def save_mempool(path: Path, mempool: Mempool) -> None:
    """Write the waiting transactions, replacing the file in one step."""
    lines = [item.transaction.raw.hex() + "\n" for item in mempool]
    scratch = path.with_suffix(".new")
    scratch.write_text("".join(lines), encoding="ascii")
    scratch.replace(path)


def load_mempool(path: Path, mempool: Mempool, *, now: int) -> None:
    """Let saved transactions in again, as far as the chain still allows them.

    A line that cannot be used is logged and left out: the mempool, unlike the chain, is never a promise.
    """
    if not path.exists():
        return
    for line in path.read_text(encoding="ascii", errors="replace").splitlines():
        try:
            mempool.accept(parse_transaction(bytes.fromhex(line)), now=now, is_returning=True)
        except (ValueError, TransactionFormatError, MempoolRejection) as error:
            logger.warning("A saved transaction does not wait any longer: %s", error)
