"""The chain's side of the closing account, read from the node alone, without asking the server anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from demo.node import Node

SAT_PER_COIN = 100_000_000
MSAT_PER_SAT = 1_000


@dataclass(frozen=True)
class ChainSide:
    """What the chain says, in msat: deposits, coins that are left, what payouts paid to payees, miners' fees."""

    deposits_msat: int
    coins_msat: int
    payout_outputs_msat: int
    miner_fees_msat: int


def read_chain_side(
    node: Node, *, deposit_txid: str, deposit_addresses: Iterable[str], payout_txids: Iterable[str], payees: set[str]
) -> ChainSide:
    """Follow the deposits of one transaction into the payouts, and count what became of them.

    What a payout pays to anybody but `payees` (addresses) is the wallet's change.
    """
    known = set(deposit_addresses)
    deposits = {
        (deposit_txid, output["n"]): to_sat(output)
        for output in get_transaction(node, deposit_txid)["vout"]
        if output["scriptPubKey"].get("address") in known
    }
    owned, paid_sat, fees_sat = dict(deposits), 0, 0
    for txid in payout_txids:
        found = get_transaction(node, txid)
        spent_sat = sum(owned.pop((item["txid"], item["vout"])) for item in found["vin"])
        fees_sat += spent_sat - sum(to_sat(output) for output in found["vout"])
        for output in found["vout"]:
            if output["scriptPubKey"].get("address") in payees:
                paid_sat += to_sat(output)
            else:
                owned[txid, output["n"]] = to_sat(output)
    for txid, vout in owned:
        if node.call("gettxout", txid, vout) is None:
            raise RuntimeError(f"the chain says that {txid}:{vout} is spent")
    return ChainSide(
        deposits_msat=sum(deposits.values()) * MSAT_PER_SAT,
        coins_msat=sum(owned.values()) * MSAT_PER_SAT,
        payout_outputs_msat=paid_sat * MSAT_PER_SAT,
        miner_fees_msat=fees_sat * MSAT_PER_SAT,
    )


def get_transaction(node: Node, txid: str) -> Any:
    """Return a transaction as the node describes it."""
    return node.call("getrawtransaction", txid, True)  # noqa: FBT003  Core's form


def to_sat(output: dict[str, Any]) -> int:
    """Return the value of a described output in sat."""
    value: float = output["value"]
    return round(value * SAT_PER_COIN)
