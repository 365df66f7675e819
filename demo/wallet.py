"""The Bitcoin wallet of the demo's readers: one key, whose mined coins pay the deposits."""

from embit import ec, script
from embit.networks import NETWORKS
from embit.transaction import Transaction, TransactionInput, TransactionOutput

from demo.node import Node

FEE_SAT = 1_000
SAT_PER_COIN = 100_000_000
SIGHASH_ALL = 1


class Wallet:
    """Spends the coins that blocks were mined to. Every coin is used once."""

    def __init__(self, node: Node, secret: bytes) -> None:
        self._node = node
        self._key = ec.PrivateKey(secret)
        self._script = script.p2wpkh(self._key.get_public_key())
        self.address = str(self._script.address(NETWORKS["regtest"]))
        self._coins: list[tuple[str, int]] = []

    def mine(self, count: int) -> None:
        """Mine blocks, whose rewards this wallet can spend 100 blocks later."""
        for block_hash in self._node.call("generatetoaddress", count, self.address):
            coinbase = self._node.call("getblock", block_hash)["tx"][0]
            self._coins.append((coinbase, 0))

    def pay(self, payments: dict[str, int]) -> str:
        """Pay amounts in sat to addresses in one transaction, and return its id.

        Raises RuntimeError if the oldest coin cannot pay for it.
        """
        txid, vout = self._coins.pop(0)
        found = self._node.call("gettxout", txid, vout)
        value_sat = round(found["value"] * SAT_PER_COIN)
        rest_sat = value_sat - sum(payments.values()) - FEE_SAT
        if rest_sat < 0:
            raise RuntimeError("the wallet's coin is too small")
        outputs = [TransactionOutput(amount, script.address_to_scriptpubkey(to)) for to, amount in payments.items()]
        outputs.append(TransactionOutput(rest_sat, self._script))
        spending = Transaction(vin=[TransactionInput(bytes.fromhex(txid), vout)], vout=outputs)
        digest = spending.sighash_segwit(0, script.p2pkh_from_p2wpkh(self._script), value_sat, SIGHASH_ALL)
        signature = self._key.sign(digest).serialize() + bytes([SIGHASH_ALL])
        spending.vin[0].witness = script.Witness([signature, self._key.get_public_key().sec()])
        return str(self._node.call("sendrawtransaction", spending.serialize().hex()))
