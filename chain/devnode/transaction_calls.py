"""RPC calls about transactions, outputs and the mempool. Names, parameters and answers are Bitcoin Core's."""

import time
from decimal import Decimal
from typing import Any, NoReturn

from chain.devnode.coins import is_unspendable
from chain.devnode.json_text import SAT_PER_COIN, to_coins
from chain.devnode.mempool import ALREADY_IN_MEMPOOL, ALREADY_KNOWN, MISSING_INPUTS, MempoolTransaction
from chain.devnode.node import DevelopmentNode
from chain.devnode.parameters import check_hash
from chain.devnode.policy import MempoolRejection, classify_script, fee_for
from chain.devnode.rpc_errors import (
    RPC_DESERIALIZATION_ERROR,
    RPC_INVALID_ADDRESS_OR_KEY,
    RPC_INVALID_PARAMETER,
    RPC_VERIFY_ALREADY_IN_CHAIN,
    RPC_VERIFY_ERROR,
    RPC_VERIFY_REJECTED,
    RpcError,
)
from chain.errors import AddressError, TransactionFormatError
from chain.keys import script_to_address
from chain.networks import REGTEST
from chain.transactions import (
    Block,
    Output,
    Transaction,
    parse_transaction,
    virtual_size,
    weight,
    witness_transaction_id,
)

FEE_RATE_MAX_COINS = Decimal("0.10")
ESTIMATE_BLOCKS = range(1, 1009)
TESTED_MAX = 25


def getrawtransaction(
    node: DevelopmentNode,
    txid: str,
    verbosity: int | bool = 0,  # noqa: FBT001  RPC
    blockhash: str | None = None,
) -> str | dict[str, Any]:
    """Return a transaction of the mempool, the active chain or a named block, in hex or described."""
    check_hash(txid, "parameter 1")
    transaction, block = _find_transaction(node, txid.lower(), blockhash)
    if not verbosity:
        return transaction.raw.hex()
    described = {**describe_transaction(transaction), "hex": transaction.raw.hex()}
    if block is not None:
        depth = node.tree.tip.block.height - block.height + 1
        described["blockhash"] = block.hash
        described["confirmations"] = depth if node.tree.is_active(block) else 0
        described["time"] = described["blocktime"] = block.time
    return described


def gettxout(node: DevelopmentNode, txid: str, n: int, include_mempool: bool = True) -> dict[str, Any] | None:  # noqa: FBT001, FBT002  RPC
    """Describe an unspent output, or answer null."""
    check_hash(txid, "txid")
    outpoint = (txid.lower(), n)
    confirmed = node.tree.coins.find(outpoint)
    tip = node.tree.tip.block
    if not include_mempool:
        if confirmed is None:
            return None
    elif node.mempool.find_spender(outpoint) is not None:
        return None
    spent = node.mempool.find_coin(outpoint)
    if spent is None or is_unspendable(spent.coin.script):
        return None
    coin = spent.coin
    return {
        "bestblock": tip.hash,
        "confirmations": tip.height - coin.height + 1 if spent.is_confirmed else 0,
        "value": to_coins(coin.value_sat),
        "scriptPubKey": _describe_script(coin.script),
        "coinbase": coin.is_coinbase,
    }


def scantxoutset(node: DevelopmentNode, action: str, scanobjects: list[Any]) -> dict[str, Any]:
    """List the unspent outputs of the active chain that pay one of the scripts, given as raw(HEX)."""
    if action != "start":
        raise RpcError(RPC_INVALID_PARAMETER, f"Invalid action '{action}'")
    found = node.tree.coins.list_paying({_read_raw_descriptor(item) for item in scanobjects})
    tip = node.tree.tip.block
    unspents = [
        {
            "txid": txid,
            "vout": vout,
            "scriptPubKey": coin.script.hex(),
            "amount": to_coins(coin.value_sat),
            "coinbase": coin.is_coinbase,
            "height": coin.height,
            "confirmations": tip.height - coin.height + 1,
        }
        for (txid, vout), coin in found
    ]
    return {"success": True, "height": tip.height, "bestblock": tip.hash, "unspents": unspents}


def _read_raw_descriptor(value: object) -> bytes:
    """Return the script of a descriptor raw(HEX)."""
    text = value if isinstance(value, str) else ""
    try:
        return bytes.fromhex(text.removeprefix("raw(").removesuffix(")")) if text.startswith("raw(") else _refuse(value)
    except ValueError:
        return _refuse(value)


def _refuse(value: object) -> NoReturn:
    raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, f"{value!r} is not raw(HEX), the one descriptor that is known")


def sendrawtransaction(
    node: DevelopmentNode,
    hexstring: str,
    maxfeerate: int | Decimal | str = FEE_RATE_MAX_COINS,
    maxburnamount: int | Decimal | str = 0,
) -> str:
    """Let a transaction into the mempool."""
    transaction = _decode(hexstring)
    burn_max_sat = _read_amount(maxburnamount)
    if any(is_unspendable(item.script) and item.value_sat > burn_max_sat for item in transaction.outputs):
        message = "Unspendable output exceeds maximum configured by user (maxburnamount)"
        raise RpcError(RPC_VERIFY_ERROR, message)
    known = node.mempool.find(transaction.txid)
    if known is not None:
        return transaction.txid  # Core answers the same way and only relays it anew.
    outpoints = [(transaction.txid, vout) for vout in range(len(transaction.outputs))]
    if any(node.tree.coins.find(outpoint) for outpoint in outpoints):
        raise RpcError(RPC_VERIFY_ALREADY_IN_CHAIN, "Transaction outputs already in utxo set")
    _check_fee_rate(node, transaction, _read_amount(maxfeerate))
    try:
        node.accept_transaction(transaction)
    except MempoolRejection as error:
        raise _to_rpc_error(error) from error
    return transaction.txid


def testmempoolaccept(
    node: DevelopmentNode,
    rawtxs: list[Any],
    maxfeerate: int | Decimal | str = FEE_RATE_MAX_COINS,  # noqa: PT028  a call of Core's, not a test
) -> list[dict[str, Any]]:
    """Tell for each transaction, on its own, whether the mempool would take it, and why not."""
    if not 1 <= len(rawtxs) <= TESTED_MAX or not all(isinstance(item, str) for item in rawtxs):
        raise RpcError(RPC_INVALID_PARAMETER, f"Array must contain between 1 and {TESTED_MAX} transactions.")
    fee_rate_max_sat = _read_amount(maxfeerate)
    return [_test_one(node, _decode(item), fee_rate_max_sat) for item in rawtxs]


def estimatesmartfee(
    node: DevelopmentNode,  # noqa: ARG001  every call gets it
    conf_target: int,
    estimate_mode: str = "economical",  # noqa: ARG001  Core's parameter; there is nothing to estimate from
) -> dict[str, Any]:
    """Answer as a node does that has seen too few blocks filled to know."""
    if conf_target not in ESTIMATE_BLOCKS:
        message = f"Invalid conf_target, must be between {ESTIMATE_BLOCKS[0]} and {ESTIMATE_BLOCKS[-1]}"
        raise RpcError(RPC_INVALID_PARAMETER, message)
    return {"errors": ["Insufficient data or no feerate found"], "blocks": conf_target}


def getmempoolentry(node: DevelopmentNode, txid: str) -> dict[str, Any]:
    """Describe a waiting transaction."""
    check_hash(txid, "txid")
    waiting = node.mempool.find(txid.lower())
    if waiting is None:
        raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, "Transaction not in mempool")
    return _describe_waiting(node, waiting)


def getrawmempool(node: DevelopmentNode, verbose: bool = False) -> list[str] | dict[str, Any]:  # noqa: FBT001, FBT002  RPC
    """List the waiting transactions, by id or described."""
    if verbose:
        return {item.transaction.txid: _describe_waiting(node, item) for item in node.mempool}
    return [item.transaction.txid for item in node.mempool]


def describe_transaction(transaction: Transaction) -> dict[str, Any]:
    """Describe a transaction's parts."""
    total_weight = weight(transaction.raw)
    return {
        "txid": transaction.txid,
        "hash": witness_transaction_id(transaction.raw),
        "version": transaction.version,
        "size": len(transaction.raw),
        "vsize": virtual_size(transaction.raw),
        "weight": total_weight,
        "locktime": transaction.lock_time,
        "vin": _describe_inputs(transaction),
        "vout": [_describe_output(vout, output) for vout, output in enumerate(transaction.outputs)],
    }


def _describe_inputs(transaction: Transaction) -> list[dict[str, Any]]:
    """Describe what a transaction spends."""
    described = []
    for item in transaction.inputs:
        if transaction.is_coinbase:
            one: dict[str, Any] = {"coinbase": item.script.hex()}
        else:
            one = {"txid": item.txid, "vout": item.vout, "scriptSig": {"hex": item.script.hex()}}
        if item.witness:
            one["txinwitness"] = [part.hex() for part in item.witness]
        described.append({**one, "sequence": item.sequence})
    return described


def _describe_output(vout: int, output: Output) -> dict[str, Any]:
    """Describe one output."""
    return {"value": to_coins(output.value_sat), "n": vout, "scriptPubKey": _describe_script(output.script)}


def _describe_script(script: bytes) -> dict[str, Any]:
    """Describe an output script."""
    described = {"hex": script.hex(), "type": classify_script(script)}
    try:
        return {**described, "address": script_to_address(script, REGTEST)}
    except AddressError:
        return described


def _describe_waiting(node: DevelopmentNode, waiting: MempoolTransaction) -> dict[str, Any]:
    """Describe a waiting transaction with its relations."""
    txid = waiting.transaction.txid
    ancestors, descendants = node.mempool.ancestors(txid), node.mempool.descendants(txid)
    return {
        "vsize": waiting.virtual_size,
        "weight": waiting.weight,
        "time": waiting.accepted_at,
        "height": waiting.height,
        "descendantcount": len(descendants),
        "descendantsize": _sum_sizes(node, descendants),
        "ancestorcount": len(ancestors),
        "ancestorsize": _sum_sizes(node, ancestors),
        "wtxid": waiting.wtxid,
        "fees": {
            "base": to_coins(waiting.fee_sat),
            "modified": to_coins(waiting.fee_sat),
            "ancestor": to_coins(_sum_fees(node, ancestors)),
            "descendant": to_coins(_sum_fees(node, descendants)),
        },
        "depends": sorted(node.mempool.parents(txid)),
        "spentby": sorted(node.mempool.children(txid)),
        "bip125-replaceable": True,
        "unbroadcast": False,
    }


def _sum_sizes(node: DevelopmentNode, txids: set[str]) -> int:
    """Return the virtual size of several waiting transactions."""
    return sum(item.virtual_size for item in node.mempool if item.transaction.txid in txids)


def _sum_fees(node: DevelopmentNode, txids: set[str]) -> int:
    """Return the fees of several waiting transactions in satoshi."""
    return sum(item.fee_sat for item in node.mempool if item.transaction.txid in txids)


def _test_one(node: DevelopmentNode, transaction: Transaction, fee_rate_max_sat: int) -> dict[str, Any]:
    """Tell whether the mempool would take one transaction."""
    names = {"txid": transaction.txid, "wtxid": witness_transaction_id(transaction.raw)}
    try:
        tested = node.mempool.accept(transaction, now=int(time.time()), is_trial=True)
    except MempoolRejection as error:
        reason = "missing-inputs" if error.reason == MISSING_INPUTS else error.reason
        return {**names, "allowed": False, "reject-reason": reason}
    if _exceeds(tested, fee_rate_max_sat):
        return {**names, "allowed": False, "reject-reason": "max-fee-exceeded"}
    return {
        **names,
        "allowed": True,
        "vsize": tested.virtual_size,
        "fees": {"base": to_coins(tested.fee_sat)},
    }


def _check_fee_rate(node: DevelopmentNode, transaction: Transaction, fee_rate_max_sat: int) -> None:
    """Refuse a fee that can only be a mistake."""
    try:
        tested = node.mempool.accept(transaction, now=int(time.time()), is_trial=True)
    except MempoolRejection as error:
        raise _to_rpc_error(error) from error
    if _exceeds(tested, fee_rate_max_sat):
        message = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)"
        raise RpcError(RPC_VERIFY_ERROR, message)


def _exceeds(tested: MempoolTransaction, fee_rate_max_sat: int) -> bool:
    """Tell whether a fee is over a rate in sat/kvB, where 0 means no limit."""
    return fee_rate_max_sat > 0 and tested.fee_sat > fee_for(tested.virtual_size, fee_rate_max_sat)


def _to_rpc_error(rejection: MempoolRejection) -> RpcError:
    """Turn a refusal into the code that sendrawtransaction answers."""
    if rejection.reason == MISSING_INPUTS:
        return RpcError(RPC_VERIFY_ERROR, MISSING_INPUTS)
    if rejection.reason in {ALREADY_KNOWN, ALREADY_IN_MEMPOOL}:
        return RpcError(RPC_VERIFY_ALREADY_IN_CHAIN, str(rejection))
    return RpcError(RPC_VERIFY_REJECTED, str(rejection))


def _decode(text: str) -> Transaction:
    """Read a transaction in hex. Raises RpcError (-22) if it is none."""
    try:
        return parse_transaction(bytes.fromhex(text))
    except (ValueError, TransactionFormatError) as error:
        message = "TX decode failed. Make sure the tx has at least one input."
        raise RpcError(RPC_DESERIALIZATION_ERROR, message) from error


def _read_amount(value: int | Decimal | str) -> int:
    """Read an amount in coins and return it in satoshi."""
    try:
        amount = Decimal(value) * SAT_PER_COIN
    except ArithmeticError as error:
        raise RpcError(RPC_INVALID_PARAMETER, "Invalid amount") from error
    if amount != amount.to_integral_value() or amount < 0:
        raise RpcError(RPC_INVALID_PARAMETER, "Amount out of range")
    return int(amount)


def _find_transaction(node: DevelopmentNode, txid: str, blockhash: str | None) -> tuple[Transaction, Block | None]:
    """Find a transaction in a named block, else in the mempool, else in the active chain."""
    if blockhash is not None:
        check_hash(blockhash, "parameter 3")
        named = node.tree.find(blockhash.lower())
        if named is None:
            raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, "Block hash not found")
        for transaction in named.block.transactions:
            if transaction.txid == txid:
                return transaction, named.block
        raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, "No such transaction found in the provided block.")
    waiting = node.mempool.find(txid)
    if waiting is not None:
        return waiting.transaction, None
    mined = node.tree.find_transaction(txid)
    if mined is None:
        raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, "No such mempool or blockchain transaction.")
    return mined
