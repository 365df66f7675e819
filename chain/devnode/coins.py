"""The set of unspent outputs of the active chain, and how to undo each of its blocks."""

from collections.abc import Collection
from dataclasses import dataclass

from chain.transactions import Block, Transaction

Outpoint = tuple[str, int]
SCRIPT_BYTES_MAX = 10_000
_OP_RETURN = 0x6A


@dataclass(frozen=True)
class UnspentOutput:
    """One output of the active chain: value in satoshi, script, and the block that made it."""

    value_sat: int
    script: bytes
    height: int
    is_coinbase: bool


class CoinSet:
    """Unspent outputs by outpoint, kept with the chain block by block."""

    def __init__(self) -> None:
        self._coins: dict[Outpoint, UnspentOutput] = {}
        self._undo: dict[str, list[tuple[Outpoint, UnspentOutput]]] = {}

    def find(self, outpoint: Outpoint) -> UnspentOutput | None:
        """Return the unspent output, or None."""
        return self._coins.get(outpoint)

    def list_paying(self, scripts: Collection[bytes]) -> list[tuple[Outpoint, UnspentOutput]]:
        """Return the unspent outputs with one of these scripts."""
        return [(outpoint, coin) for outpoint, coin in self._coins.items() if coin.script in scripts]

    def connect(self, block: Block) -> None:
        """Spend and create what a valid block spends and creates."""
        spent = []
        for transaction in block.transactions:
            if not transaction.is_coinbase:
                for item in transaction.inputs:
                    outpoint = (item.txid, item.vout)
                    spent.append((outpoint, self._coins.pop(outpoint)))
            self._create(transaction, block.height)
        self._undo[block.hash] = spent

    def disconnect(self, block: Block) -> None:
        """Undo `connect` for the last connected block."""
        # Restoring first and removing afterwards also undoes outputs that the block itself made and spent.
        self._coins.update(self._undo.pop(block.hash))
        for transaction in block.transactions:
            for vout in range(len(transaction.outputs)):
                self._coins.pop((transaction.txid, vout), None)

    def _create(self, transaction: Transaction, height: int) -> None:
        """Add a transaction's spendable outputs."""
        for vout, output in enumerate(transaction.outputs):
            if not is_unspendable(output.script):
                self._coins[(transaction.txid, vout)] = UnspentOutput(
                    output.value_sat, output.script, height, transaction.is_coinbase
                )


def is_unspendable(script: bytes) -> bool:
    """Tell whether no input can ever satisfy the script, so that no set of coins needs to keep it."""
    return script[:1] == bytes([_OP_RETURN]) or len(script) > SCRIPT_BYTES_MAX
