"""The development node itself: one kernel, the block log, the tree and the mempool, moved together
under one lock."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from chain.devnode.block_log import BlockLog, RecordKind
from chain.devnode.kernel import Kernel, silence_kernel_log
from chain.devnode.mempool import Mempool
from chain.devnode.mempool_file import load_mempool, save_mempool
from chain.devnode.mining import build_block
from chain.devnode.tree import BlockNode, BlockTree, read_previous_hash
from chain.transactions import Transaction, block_hash

logger = logging.getLogger(__name__)
_HEADER_BYTES = 80


class DataDirectoryInUseError(Exception):
    """Another development node uses this data directory."""


class NodeFailedError(Exception):
    """The development node could not write its log and must be started again."""


class BlockRefusedError(Exception):
    """A block that the node built itself was refused."""


class DevelopmentNode:
    """A regtest node of one process. Hold `lock` around every use; close it before the process ends."""

    def __init__(self, directory: Path, *, open_log: Callable[[Path], BlockLog] = BlockLog) -> None:
        """Open the data directory, replay its log and bring back the mempool of the last clean stop.

        Raises DataDirectoryInUseError if another process has it open, BlockLogError if the log is damaged.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._directory = directory
        self._directory_lock = _lock_directory(directory)
        self._has_failed = False
        silence_kernel_log()
        self._log = open_log(directory / "blocks.log")
        if self._log.torn_bytes:
            logger.warning("Cut %d bytes of an unfinished record off the block log.", self._log.torn_bytes)
        self._kernel = self._new_kernel()
        self.tree = BlockTree(self._kernel.read_genesis())
        self.mempool = Mempool(self.tree)
        self._replay()
        load_mempool(self._mempool_path, self.mempool, now=int(time.time()))

    def __enter__(self) -> Self:
        """Return the open node."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the node."""
        self.close()

    def check_health(self) -> None:
        """Raise NodeFailedError if the log could not be written: memory is then ahead of the disk."""
        if self._has_failed:
            raise NodeFailedError

    def submit_block(self, raw: bytes) -> str | None:
        """Offer a serialised block; return None if it joined the active chain, else why not (BIP 22)."""
        reason = self._check_known(raw)
        if reason is not None:
            return reason
        try:
            return self._offer(raw)
        finally:
            self._sync()

    def generate(self, count: int, script: bytes) -> list[str]:
        """Mine blocks that pay to `script` and return their hashes, once all are on the disk."""
        hashes = []
        try:
            for _ in range(count):
                raw = build_block(self.tree, self.mempool, script, now=int(time.time()))
                reason = self._offer(raw)
                if reason is not None:
                    raise BlockRefusedError(reason)
                hashes.append(self.tree.tip.block.hash)
        finally:
            self._sync()
        return hashes

    def invalidate(self, node: BlockNode) -> None:
        """Bar a block and its descendants from the active chain."""
        self._judge(RecordKind.INVALIDATED, node)

    def reconsider(self, node: BlockNode) -> None:
        """Lift the bar from a block, its ancestors and its descendants."""
        self._judge(RecordKind.RECONSIDERED, node)

    def accept_transaction(self, transaction: Transaction) -> None:
        """Let a transaction into the mempool. Raises MempoolRejection if it is refused."""
        self.mempool.accept(transaction, now=int(time.time()))

    def close(self) -> None:
        """Save the mempool, and release kernel, log and directory."""
        with self.lock:
            if not self._has_failed:
                save_mempool(self._mempool_path, self.mempool)
            self._kernel.close()
            self._log.close()
            os.close(self._directory_lock)

    @property
    def _mempool_path(self) -> Path:
        """Where the mempool waits between a clean stop and the next start."""
        return self._directory / "mempool.dat"

    def _check_known(self, raw: bytes) -> str | None:
        """Return the reason that the tree alone gives to refuse a block, or None."""
        known = block_hash(raw[:_HEADER_BYTES])
        if self.tree.find(known) is not None:
            return "duplicate-invalid" if self.tree.is_barred(known) else "duplicate"
        previous_hash = read_previous_hash(raw)
        if self.tree.find(previous_hash) is None:
            return "prev-blk-not-found"
        return "bad-prevblk" if self.tree.is_barred(previous_hash) else None

    def _offer(self, raw: bytes) -> str | None:
        """Let the kernel judge a new block; log it if it is stored, and follow the kernel's tip."""
        verdict = self._kernel.submit(raw)
        if verdict.reason is not None or not verdict.is_stored:
            self._follow_kernel()
            return verdict.reason or "inconclusive"
        self._append(RecordKind.BLOCK, raw)
        node = self.tree.add(raw)
        self._follow_kernel()
        return None if self.tree.is_active(node.block) else "inconclusive"

    def _judge(self, kind: RecordKind, node: BlockNode) -> None:
        """Log the operator's judgement and let a new kernel choose the chain among what is left.

        The kernel cannot take a block back. A new one that is given the remaining blocks in the order of
        their acceptance ends where Core's would.
        """
        try:
            self._append(kind, bytes.fromhex(node.block.hash)[::-1])
            self._apply(kind, node.block.hash)
            self._rebuild_kernel()
        finally:
            self._sync()

    def _apply(self, kind: RecordKind, hash_: str) -> None:
        """Note a judgement in the tree."""
        if kind is RecordKind.INVALIDATED:
            self.tree.invalidate(hash_)
        else:
            self.tree.reconsider(hash_)

    def _replay(self) -> None:
        """Bring tree and kernel to where the log ends."""
        for record in self._log.read():
            if record.kind is RecordKind.BLOCK:
                self.tree.add(record.payload)
            else:
                self._apply(record.kind, record.payload[::-1].hex())
        self._rebuild_kernel()

    def _rebuild_kernel(self) -> None:
        """Replace the kernel by a new one that knows the blocks which are not barred."""
        self._kernel.close()
        self._kernel = self._new_kernel()
        for raw in self.tree.iterate_eligible():
            self._kernel.submit(raw)
        self._follow_kernel()

    def _new_kernel(self) -> Kernel:
        """Start an empty kernel on the scratch directory."""
        return Kernel(self._directory / "kernel")

    def _follow_kernel(self) -> None:
        """Make the kernel's best chain ours, and let the mempool follow."""
        tip_hash = self._kernel.tip_hash
        if tip_hash != self.tree.tip.block.hash:
            self.mempool.follow(self.tree.activate(tip_hash), now=int(time.time()))

    def _append(self, kind: RecordKind, payload: bytes) -> None:
        """Append to the log; a node that cannot does nothing more."""
        try:
            self._log.append(kind, payload)
        except OSError as error:
            self._has_failed = True
            raise NodeFailedError from error

    def _sync(self) -> None:
        """Make the log durable before anyone is told; a node that cannot does nothing more."""
        try:
            self._log.sync()
        except OSError as error:
            self._has_failed = True
            raise NodeFailedError from error


def _lock_directory(directory: Path) -> int:
    """Lock the data directory for the life of this process.

    Raises DataDirectoryInUseError if another process holds the lock.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DataDirectoryInUseError(str(directory)) from error
    return descriptor
