"""Transactions that wait to be mined: what is let in, what replaces what, and what a change of the
chain does to them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chain.devnode.coins import Outpoint, UnspentOutput
from chain.devnode.kernel import verify_scripts
from chain.devnode.policy import (
    INCREMENTAL_FEE_SAT_PER_KVB,
    MIN_RELAY_FEE_SAT_PER_KVB,
    STRIPPED_BYTES_MIN,
    MempoolRejection,
    check_sanity,
    check_standard,
    fee_for,
)
from chain.devnode.time_locks import SpentCoin, check_time_locks
from chain.devnode.tree import BlockTree, ChainChange
from chain.transactions import Output, Transaction, weight, witness_transaction_id

CHAIN_LENGTH_MAX = 25
REPLACED_MAX = 100
MISSING_INPUTS = "bad-txns-inputs-missingorspent"
ALREADY_IN_MEMPOOL = "txn-already-in-mempool"
ALREADY_KNOWN = "txn-already-known"


@dataclass(frozen=True)
class MempoolTransaction:
    """A transaction that was let in; fee in satoshi, sizes by weight, and when it came."""

    transaction: Transaction
    wtxid: str
    fee_sat: int
    weight: int
    accepted_at: int
    height: int

    @property
    def virtual_size(self) -> int:
        """The size in vbytes that fees count by."""
        return -(-self.weight // 4)


class Mempool:
    """Waiting transactions in the order of their acceptance, so that parents precede children."""

    def __init__(self, tree: BlockTree) -> None:
        self._tree = tree
        self._waiting: dict[str, MempoolTransaction] = {}
        self._spender: dict[Outpoint, str] = {}

    def __iter__(self) -> Iterator[MempoolTransaction]:
        """Yield the waiting transactions, parents before children."""
        return iter(list(self._waiting.values()))

    def __len__(self) -> int:
        """Count the waiting transactions."""
        return len(self._waiting)

    def find(self, txid: str) -> MempoolTransaction | None:
        """Return a waiting transaction, or None."""
        return self._waiting.get(txid)

    def find_spender(self, outpoint: Outpoint) -> str | None:
        """Return the id of the waiting transaction that spends an output, or None."""
        return self._spender.get(outpoint)

    def find_coin(self, outpoint: Outpoint) -> SpentCoin | None:
        """Return an output of the chain or of a waiting transaction, whether or not one that waits
        spends it."""
        confirmed = self._tree.coins.find(outpoint)
        if confirmed is not None:
            return SpentCoin(confirmed, is_confirmed=True)
        parent = self._waiting.get(outpoint[0])
        if parent is None or outpoint[1] >= len(parent.transaction.outputs):
            return None
        output = parent.transaction.outputs[outpoint[1]]
        height = self._tree.tip.block.height + 1
        coin = UnspentOutput(output.value_sat, output.script, height, is_coinbase=False)
        return SpentCoin(coin, is_confirmed=False)

    def parents(self, txid: str) -> set[str]:
        """Return the ids of the waiting transactions that this one spends from."""
        inputs = self._waiting[txid].transaction.inputs
        return {item.txid for item in inputs if item.txid in self._waiting}

    def children(self, txid: str) -> set[str]:
        """Return the ids of the waiting transactions that spend from this one."""
        outputs = range(len(self._waiting[txid].transaction.outputs))
        return {self._spender[(txid, vout)] for vout in outputs if (txid, vout) in self._spender}

    def ancestors(self, txid: str) -> set[str]:
        """Return this transaction's id and those of all its waiting ancestors."""
        return _reach({txid}, self.parents)

    def descendants(self, txid: str) -> set[str]:
        """Return this transaction's id and those of all its waiting descendants."""
        return _reach({txid}, self.children)

    def accept(
        self, transaction: Transaction, *, now: int, is_trial: bool = False, is_returning: bool = False
    ) -> MempoolTransaction:
        """Let a transaction in, or with `is_trial` only tell what would happen.

        `is_returning` waives the minimum fee for a transaction that a disconnected block held.
        Raises MempoolRejection if a rule of Bitcoin Core 28's default policy refuses it.
        """
        check_sanity(transaction)
        check_standard(transaction)
        total_weight = weight(transaction.raw)
        stripped_bytes = (total_weight - len(transaction.raw)) // 3
        if stripped_bytes < STRIPPED_BYTES_MIN:
            raise MempoolRejection("tx-size-small")
        wtxid = witness_transaction_id(transaction.raw)
        self._check_is_new(transaction, wtxid)
        spent = self._collect_spent(transaction)
        check_time_locks(transaction, spent, self._tree)
        fee_sat = _compute_fee(transaction, spent)
        height = self._tree.tip.block.height
        waiting = MempoolTransaction(transaction, wtxid, fee_sat, total_weight, now, height)
        needed = 0 if is_returning else fee_for(waiting.virtual_size, MIN_RELAY_FEE_SAT_PER_KVB)
        if fee_sat < needed:
            raise MempoolRejection("min relay fee not met", f"{fee_sat} < {needed}")
        replaced = self._check_replacement(waiting)
        self._check_chain_length(transaction)
        failed = verify_scripts(transaction.raw, [Output(item.coin.value_sat, item.coin.script) for item in spent])
        if failed is not None:
            raise MempoolRejection("mandatory-script-verify-flag-failed", f"input {failed}")
        if not is_trial:
            self._remove(replaced)
            self._insert(waiting)
        return waiting

    def follow(self, change: ChainChange, *, now: int) -> None:
        """Adapt to a change of the active chain.

        What was mined leaves, and so does what now conflicts. If blocks were disconnected, their
        transactions come back and everything is checked again.
        """
        for block in change.connected:
            for transaction in block.transactions:
                self._leave_for(transaction)
        if not change.disconnected:
            return
        candidates = [
            transaction
            for block in reversed(change.disconnected)
            for transaction in block.transactions
            if not transaction.is_coinbase
        ]
        candidates += [item.transaction for item in self._waiting.values()]
        self._waiting.clear()
        self._spender.clear()
        for transaction in candidates:
            self._try_return(transaction, now)

    def _try_return(self, transaction: Transaction, now: int) -> None:
        """Let a transaction back in if the changed chain still allows it."""
        try:
            self.accept(transaction, now=now, is_returning=True)
        except MempoolRejection:
            # Mined in the new branch, or in conflict with it: it no longer waits for anything.
            return

    def _check_is_new(self, transaction: Transaction, wtxid: str) -> None:
        """Refuse what waits already, with this witness or another."""
        known = self._waiting.get(transaction.txid)
        if known is not None:
            reason = "txn-same-nonwitness-data-in-mempool" if known.wtxid != wtxid else ALREADY_IN_MEMPOOL
            raise MempoolRejection(reason)

    def _collect_spent(self, transaction: Transaction) -> list[SpentCoin]:
        """Return the outputs that the inputs spend, in their order."""
        spent = []
        for item in transaction.inputs:
            coin = self.find_coin((item.txid, item.vout))
            if coin is None:
                is_known = any(
                    self._tree.coins.find((transaction.txid, vout)) for vout in range(len(transaction.outputs))
                )
                raise MempoolRejection(ALREADY_KNOWN if is_known else MISSING_INPUTS)
            spent.append(coin)
        return spent

    def _check_replacement(self, waiting: MempoolTransaction) -> set[str]:
        """Return what a transaction would replace, descendants included.

        Raises MempoolRejection if that breaks the rules of BIP 125 as Core 28 has them: every conflict may
        be replaced, for a higher fee rate than each, and for all their fees and this transaction's own relay.
        """
        inputs = waiting.transaction.inputs
        outpoints = [(item.txid, item.vout) for item in inputs]
        conflicts = {self._spender[outpoint] for outpoint in outpoints if outpoint in self._spender}
        if not conflicts:
            return set()
        replaced = _reach(conflicts, self.children)
        if replaced & _reach({txid for txid, _ in outpoints if txid in self._waiting}, self.parents):
            raise MempoolRejection("bad-txns-spends-conflicting-tx")
        if len(replaced) > REPLACED_MAX:
            raise MempoolRejection("too many potential replacements")
        old_parents = {item.txid for txid in conflicts for item in self._waiting[txid].transaction.inputs}
        if any(txid in self._waiting and txid not in old_parents for txid, _ in outpoints):
            raise MempoolRejection("replacement-adds-unconfirmed")
        self._check_replacement_fee(waiting, conflicts, replaced)
        return replaced

    def _check_replacement_fee(self, waiting: MempoolTransaction, conflicts: set[str], replaced: set[str]) -> None:
        """Check that a replacement pays more: per vbyte than each conflict, and in all."""
        for txid in conflicts:
            old = self._waiting[txid]
            if waiting.fee_sat * old.virtual_size <= old.fee_sat * waiting.virtual_size:
                raise MempoolRejection("insufficient fee", f"rejecting replacement {waiting.transaction.txid}")
        relay_fee = fee_for(waiting.virtual_size, INCREMENTAL_FEE_SAT_PER_KVB)
        needed = sum(self._waiting[txid].fee_sat for txid in replaced) + relay_fee
        if waiting.fee_sat < needed:
            raise MempoolRejection("insufficient fee", f"{waiting.fee_sat} < {needed}")

    def _check_chain_length(self, transaction: Transaction) -> None:
        """Refuse chains of unconfirmed transactions that are too long."""
        parents = {item.txid for item in transaction.inputs if item.txid in self._waiting}
        ancestors = _reach(parents, self.parents)
        if len(ancestors) + 1 > CHAIN_LENGTH_MAX:
            raise MempoolRejection("too-long-mempool-chain", "too many unconfirmed ancestors")
        if any(len(self.descendants(txid)) + 1 > CHAIN_LENGTH_MAX for txid in ancestors):
            raise MempoolRejection("too-long-mempool-chain", "too many descendants")

    def _leave_for(self, mined: Transaction) -> None:
        """Remove a mined transaction, and whatever spends the same outputs."""
        if mined.txid in self._waiting:
            self._take_out(mined.txid)
        for item in mined.inputs:
            conflicting = self._spender.get((item.txid, item.vout))
            if conflicting is not None:
                self._remove(self.descendants(conflicting))

    def _insert(self, waiting: MempoolTransaction) -> None:
        """Add a transaction that was let in."""
        txid = waiting.transaction.txid
        self._waiting[txid] = waiting
        for item in waiting.transaction.inputs:
            self._spender[(item.txid, item.vout)] = txid

    def _remove(self, txids: set[str]) -> None:
        """Remove transactions; the caller names their descendants too."""
        for txid in txids:
            self._take_out(txid)

    def _take_out(self, txid: str) -> None:
        """Remove one transaction, leaving its descendants."""
        for item in self._waiting.pop(txid).transaction.inputs:
            del self._spender[(item.txid, item.vout)]


def _reach(start: set[str], step: Callable[[str], set[str]]) -> set[str]:
    """Return everything that repeated steps lead to, with the start itself."""
    reached, open_ends = set(start), list(start)
    while open_ends:
        found = step(open_ends.pop()) - reached
        reached |= found
        open_ends += found
    return reached


def _compute_fee(transaction: Transaction, spent: list[SpentCoin]) -> int:
    """Return what the inputs hold beyond what the outputs pay, in satoshi.

    Raises MempoolRejection if it is less than nothing.
    """
    value_in = sum(item.coin.value_sat for item in spent)
    value_out = sum(output.value_sat for output in transaction.outputs)
    if value_in < value_out:
        raise MempoolRejection("bad-txns-in-belowout", f"value in ({value_in} sat) < value out ({value_out} sat)")
    return value_in - value_out
