"""A miner that needs nothing of a node but `submitblock`, so that it can build any branch on any node."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from chain.devnode.mining import BlockTransaction, assemble_block
from chain.keys import Key, generate_key
from chain.node import NodeClient
from chain.transactions import (
    Coin,
    Output,
    block_hash,
    build_transaction,
    parse_block,
    sign_transaction,
    transaction_id,
    witness_transaction_id,
)

REGTEST_BITS = 0x207FFFFF
SIGNALLING_VERSION = 0x20000007
"""Signals the three deployments that btcd still counts signals for."""

PAST_SECONDS = 3_600
"""Blocks begin so far in the past, for their times go up by a second each whatever the clock says."""


@dataclass
class Miner:
    """One key whose coins come from mining."""

    node: NodeClient
    key: Key = field(default_factory=generate_key)

    def mine(self, count: int = 1, *, script: bytes | None = None) -> list[str]:
        """Mine blocks on the tip: the first has what waits in the mempool."""
        first = self.build(self.node.get_best_block_hash(), self.read_mempool(), script=script)
        return self.submit([first, *self.build_branch(first, count - 1, script=script)])

    def mine_branch(self, height: int, count: int) -> list[str]:
        """Mine a branch of empty blocks that leaves the chain after a height."""
        first = self.build(self.node.get_block_hash(height), [])
        return self.submit([first, *self.build_branch(first, count - 1)])

    def submit(self, blocks: Sequence[bytes]) -> list[str]:
        """Give blocks to the node; a branch may be a while below the tip."""
        for raw in blocks:
            reason = self.node.submit_block(raw)
            assert reason in {None, "inconclusive"}, reason
        return [block_hash(raw[:80]) for raw in blocks]

    def build(
        self, previous_hash: str, transactions: Sequence[bytes], *, script: bytes | None = None, **changes: int
    ) -> bytes:
        """Build one block on a block that the node has."""
        header = self.node.get_block_header(previous_hash)
        return self._assemble(previous_hash, header.height + 1, header.time, transactions, script, **changes)

    def build_branch(self, first: bytes, count: int, *, script: bytes | None = None) -> list[bytes]:
        """Build empty blocks on a block that the node need not have."""
        parsed = parse_block(first)
        branch, height, moment, previous_hash = [], parsed.height, parsed.time, parsed.hash
        for _ in range(count):
            raw = self._assemble(previous_hash, height + 1, moment, [], script)
            branch.append(raw)
            height, moment, previous_hash = height + 1, moment + 1, block_hash(raw[:80])
        return branch

    def read_mempool(self) -> list[bytes]:
        """Return what waits, parents before children."""
        waiting = set(self.node._call("getrawmempool", False))
        ordered: list[str] = []
        while waiting:
            for txid in sorted(waiting):
                entry = self.node.get_mempool_entry(txid)
                assert entry is not None
                if not waiting & set(entry.depends):
                    ordered.append(txid)
                    waiting.remove(txid)
                    break
        return [self.node.get_raw_transaction(txid) for txid in ordered]

    def fund(self, count: int = 1) -> list[Coin]:
        """Return coins that were mined and matured here."""
        hashes = self.mine(count)
        self.mine(100)
        paid = [parse_block(self.node.get_block(found)).transactions[0] for found in hashes]
        return [Coin(item.txid, 0, item.outputs[0].value_sat, item.outputs[0].script) for item in paid]

    def spend(self, coin: Coin, *, fee_sat: int = 1_000, outputs: Sequence[Output] = (), lock_time: int = 0) -> bytes:
        """Return a signed transaction that spends one of this key's coins, by default back to it."""
        rest = coin.value_sat - fee_sat - sum(output.value_sat for output in outputs)
        paid = [Output(rest, self.key.script_pubkey), *outputs]
        raw = build_transaction(coins=[coin], outputs=paid, lock_time=lock_time)
        return sign_transaction(raw, coins=[coin], keys={self.key.script_pubkey: self.key})

    def _assemble(
        self,
        previous_hash: str,
        height: int,
        previous_time: int,
        transactions: Sequence[bytes],
        script: bytes | None,
        *,
        fees_sat: int = 0,
    ) -> bytes:
        return assemble_block(
            previous_hash=previous_hash,
            height=height,
            block_time=max(previous_time + 1, int(time.time()) - PAST_SECONDS),
            bits=REGTEST_BITS,
            script=script or self.key.script_pubkey,
            fees_sat=fees_sat,
            transactions=[
                BlockTransaction(transaction_id(raw), witness_transaction_id(raw), raw) for raw in transactions
            ],
            version=SIGNALLING_VERSION,
        )
