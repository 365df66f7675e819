"""The client of a Bitcoin node: Bitcoin Core's JSON-RPC, and nothing else.

Whatever speaks that protocol can serve it: Bitcoin Core 28 or later, btcd, or the development node. Amounts become
int sat and never pass through a float. Read calls survive a dropped connection; a transaction is never sent
again blindly. What is read by its hash must have that hash. Where a node lacks a call, or answers it in another way,
the client does without it as docs/reference/nodes.md says.
"""

import itertools
import json
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from chain.errors import NodeInconsistentError, NodeProtocolError, NodeRejectedError
from chain.node_refusals import (
    RPC_INTERNAL_ERROR,
    RPC_INVALID_ADDRESS_OR_KEY,
    RPC_INVALID_PARAMETERS,
    is_already_waiting,
    is_block_missing,
    is_call_lacking,
    is_height_out_of_range,
    to_error,
    to_transaction_error,
)
from chain.node_results import (
    AcceptResult,
    ChainInfo,
    HeaderInfo,
    MempoolEntry,
    TxOut,
    UnspentCoin,
    read_block,
    read_hash,
    read_header,
    read_int,
    read_previous_hash,
    read_raw,
    read_sat,
)
from chain.transactions import parse_block, transaction_id
from chain.transports import HttpTransport, Transport

STALE_BRANCH_BLOCKS_MAX = 1_000
"""A node that does not describe blocks off its chain is asked for so many, to find the height of one."""

FEE_RATE_MAX_COINS_PER_KVB = 0.1
"""Bitcoin Core's default for `testmempoolaccept`, which btcd must be told."""

Result = TypeVar("Result")
_DESCRIBED = True
_IN_HEX = False
_HEX_VERBOSITY = 0


class NodeClient:
    """Bitcoin Core's calls with typed results; safe to share between threads."""

    def __init__(self, url: str, *, timeout_s: float = 30, transport: Transport | None = None) -> None:
        self._transport = HttpTransport(url, timeout_s=timeout_s) if transport is None else transport
        self._ids = itertools.count(1)

    def get_blockchain_info(self) -> ChainInfo:
        """Return the state of the node's chain."""
        return ChainInfo.from_json(self._call("getblockchaininfo"))

    def get_block_count(self) -> int:
        """Return the height of the node's best chain."""
        return read_int(self._call("getblockcount"))

    def get_best_block_hash(self) -> str:
        """Return the hash of the best chain's last block."""
        return read_hash(self._call("getbestblockhash"))

    def get_block_hash(self, height: int) -> str:
        """Return the hash of the best chain's block at a height.

        Raises NodeRejectedError (-8, from btcd -1) if the chain is not that long.
        """
        return read_hash(self._call("getblockhash", height))

    def find_block_hash(self, height: int) -> str | None:
        """Return the hash of the best chain's block at a height, or None if the chain is not that long."""
        try:
            return self.get_block_hash(height)
        except NodeRejectedError as error:
            if is_height_out_of_range(error):
                return None
            raise

    def get_raw_header(self, block_hash: str) -> bytes:
        """Return the 80 bytes of the header of the block with this hash, on the best chain or off it.

        Raises NodeRejectedError (-5) if the node does not know the block, NodeInconsistentError if it
        answers with another one.
        """
        return read_header(self._call("getblockheader", block_hash, _IN_HEX), block_hash)

    def get_block_header(self, block_hash: str) -> HeaderInfo:
        """Return a block's header; `confirmations` is -1 where the block is off the best chain.

        Raises what get_raw_header raises.
        """
        try:
            described = self._call("getblockheader", block_hash, _DESCRIBED)
        except NodeRejectedError as error:
            if error.code != RPC_INTERNAL_ERROR:
                raise
            # btcd describes blocks of its best chain alone.
            return self._describe_stale_header(block_hash)
        header = HeaderInfo.from_json(described, self.get_raw_header(block_hash))
        if header.hash != block_hash:
            raise NodeInconsistentError(f"the node was asked for header {block_hash} and described {header.hash}")
        return header

    def find_block_header(self, block_hash: str) -> HeaderInfo | None:
        """Return a block's header, or None if the node does not know the block."""
        return _none_if_unknown(lambda: self.get_block_header(block_hash))

    def get_block(self, block_hash: str) -> bytes:
        """Return the serialisation of the block with this hash; only its header is checked.

        Raises NodeRejectedError (-5) if the node does not know the block, (-1) if it has pruned it,
        NodeInconsistentError if it answers with another one.
        """
        return read_block(self._call("getblock", block_hash, _HEX_VERBOSITY), block_hash)

    def find_block(self, block_hash: str) -> bytes | None:
        """Return the serialisation of a block, or None if the node does not have it, or has it no more."""
        try:
            return self.get_block(block_hash)
        except NodeRejectedError as error:
            if is_block_missing(error):
                return None
            raise

    def get_raw_transaction(self, txid: str, *, block_hash: str | None = None) -> bytes:
        """Return a transaction from the mempool, or from the block that is named.

        Raises NodeRejectedError (-5) if it is not there, NodeInconsistentError if the node answers with
        another one.
        """
        parameters = [txid, _HEX_VERBOSITY] if block_hash is None else [txid, _HEX_VERBOSITY, block_hash]
        try:
            raw = read_raw(self._call("getrawtransaction", *parameters))
        except NodeRejectedError as error:
            if block_hash is None or error.code != RPC_INVALID_PARAMETERS:
                raise
            # btcd's call does not take a block.
            return self._get_transaction_of_block(txid, block_hash)
        if transaction_id(raw) != txid:
            raise NodeInconsistentError(f"the node was asked for transaction {txid} and gave {transaction_id(raw)}")
        return raw

    def find_raw_transaction(self, txid: str, *, block_hash: str | None = None) -> bytes | None:
        """Return a transaction from the mempool or the named block, or None if it is not there."""
        return _none_if_unknown(lambda: self.get_raw_transaction(txid, block_hash=block_hash))

    def get_txout(self, txid: str, vout: int, *, include_mempool: bool = True) -> TxOut | None:
        """Return an unspent output, or None if it is spent or unknown; with the mempool, spends there count.

        Named after Core's call, which answers null there, so it is no `find_`.
        """
        value = self._call("gettxout", txid, vout, include_mempool)
        return None if value is None else TxOut.from_json(value)

    def find_unspent(self, scripts: Iterable[bytes]) -> list[UnspentCoin] | None:
        """Return the unspent outputs of the best chain that pay these scripts, lowest first, or None if the node has
        no such call. Bitcoin Core reads its whole set of outputs: minutes on the main network.

        Raises NodeRejectedError (-8) while another such scan runs.
        """
        wanted = [f"raw({script.hex()})" for script in scripts]
        try:
            return UnspentCoin.list_from_json(self._call("scantxoutset", "start", wanted, is_repeatable=False))
        except NodeRejectedError as error:
            if is_call_lacking(error):
                return None
            raise

    def get_raw_headers(self, first_height: int, count: int) -> list[bytes]:
        """Return the 80 bytes of so many headers of the best chain, from a height on, by two requests.

        A chain that changes meanwhile may give headers of two branches: the caller checks that they link.
        Raises NodeRejectedError (-8, from btcd -1) if the chain is not that long, NodeInconsistentError if a header
        is another block's.
        """
        heights = range(first_height, first_height + count)
        hashes = [read_hash(value) for value in self._call_many("getblockhash", [[height] for height in heights])]
        headers = self._call_many("getblockheader", [[block_hash, _IN_HEX] for block_hash in hashes])
        return [read_header(value, block_hash) for value, block_hash in zip(headers, hashes, strict=True)]

    def send_raw_transaction(self, raw: bytes) -> str:
        """Give a signed transaction to the network and return its id. Never sent twice by itself.

        Raises TransactionRejectedError if the node refuses it, TransactionAlreadyKnownError if it is in the
        chain already, TransactionMissingInputsError if it spends what is not there, NodeUnavailableError if
        no answer came: then it may have been sent, and must be looked up first.
        """
        try:
            return read_hash(self._call("sendrawtransaction", raw.hex(), is_repeatable=False))
        except NodeRejectedError as error:
            if is_already_waiting(error):
                # Core answers with the id, btcd with a refusal.
                return transaction_id(raw)
            raise to_transaction_error(error) from error

    def test_mempool_accept(self, raw: bytes) -> AcceptResult:
        """Ask whether the node would take this transaction, and why not."""
        return AcceptResult.from_json(self._call("testmempoolaccept", [raw.hex()], FEE_RATE_MAX_COINS_PER_KVB))

    def estimate_smart_fee(self, blocks: int) -> int | None:
        """Return the fee rate in sat/kvB that should confirm within so many blocks, or None if the
        node cannot tell or has no such call."""
        try:
            value = self._call("estimatesmartfee", blocks)
        except NodeRejectedError as error:
            if is_call_lacking(error):
                return None
            raise
        if not isinstance(value, dict):
            raise NodeProtocolError("estimatesmartfee did not answer with an object")
        return read_sat(value["feerate"]) if "feerate" in value else None

    def get_mempool_entry(self, txid: str) -> MempoolEntry | None:
        """Return a mempool transaction's size, fee and unconfirmed parents, or None if it is not in the mempool.

        Named after Core's call, so it is no `find_`; its -5 is an answer here, as it is to Core's users.
        A node that lacks it is asked for its whole mempool.
        """
        try:
            value = _none_if_unknown(lambda: self._call("getmempoolentry", txid))
        except NodeRejectedError as error:
            if not is_call_lacking(error):
                raise
            value = self._find_in_mempool(txid)
        return None if value is None else MempoolEntry.from_json(value)

    def generate_to_address(self, n: int, address: str) -> list[str]:
        """Mine blocks on a development network and return their hashes."""
        value = self._call("generatetoaddress", n, address, is_repeatable=False)
        if not isinstance(value, list):
            raise NodeProtocolError("generatetoaddress did not answer with a list")
        return [read_hash(item) for item in value]

    def submit_block(self, raw: bytes) -> str | None:
        """Give a block to the node; return None if it was accepted, else the reason (BIP 22)."""
        value = self._call("submitblock", raw.hex(), is_repeatable=False)
        if value is not None and not isinstance(value, str):
            raise NodeProtocolError("submitblock did not answer with a reason")
        return value

    def invalidate_block(self, block_hash: str) -> None:
        """Make the node treat a block, and all after it, as invalid."""
        self._call("invalidateblock", block_hash, is_repeatable=False)

    def reconsider_block(self, block_hash: str) -> None:
        """Undo `invalidate_block`."""
        self._call("reconsiderblock", block_hash, is_repeatable=False)

    def _describe_stale_header(self, block_hash: str) -> HeaderInfo:
        """Find the height of a block off the best chain by the first of its ancestors that the node describes."""
        raw = self.get_raw_header(block_hash)
        previous_hash = read_previous_hash(raw)
        for steps in range(1, STALE_BRANCH_BLOCKS_MAX + 1):
            try:
                ancestor = HeaderInfo.from_json(self._call("getblockheader", previous_hash, _DESCRIBED), b"")
            except NodeRejectedError as error:
                if error.code != RPC_INTERNAL_ERROR:
                    raise
                previous_hash = read_previous_hash(self.get_raw_header(previous_hash))
            else:
                return HeaderInfo.of_stale_block(block_hash, raw, height=ancestor.height + steps)
        raise NodeProtocolError(f"block {block_hash} is more than {STALE_BRANCH_BLOCKS_MAX} blocks off the best chain")

    def _get_transaction_of_block(self, txid: str, block_hash: str) -> bytes:
        """Return a transaction that is read out of its whole block."""
        block = parse_block(self.get_block(block_hash), height=0)
        for found in block.transactions:
            if found.txid == txid:
                return found.raw
        raise NodeRejectedError(RPC_INVALID_ADDRESS_OR_KEY, f"block {block_hash} has no transaction {txid}")

    def _find_in_mempool(self, txid: str) -> object:
        """Return what the list of the whole mempool says about one transaction, or None."""
        value = self._call("getrawmempool", _DESCRIBED)
        if not isinstance(value, dict):
            raise NodeProtocolError("getrawmempool did not answer with an object")
        return value.get(txid)

    def _call(self, method: str, *parameters: Any, is_repeatable: bool = True) -> Any:
        """Make one call and return its result, with numbers that have a fraction as Decimal."""
        call_id = next(self._ids)
        body = json.dumps({"jsonrpc": "1.0", "id": call_id, "method": method, "params": parameters}).encode()
        reply = self._exchange(body, is_repeatable=is_repeatable)
        try:
            value = json.loads(reply, parse_float=Decimal, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise NodeProtocolError(f"{method} was not answered with JSON") from error
        if not isinstance(value, dict) or value.get("id") != call_id:
            raise NodeProtocolError(f"{method} was answered with something else")
        if value.get("error") is not None:
            raise to_error(value["error"])
        if "result" not in value:
            raise NodeProtocolError(f"{method} was answered without a result")
        return value["result"]

    def _call_many(self, method: str, parameter_lists: list[list[Any]]) -> list[Any]:
        """Make a call that changes nothing many times in one request, and return the results in their order."""
        calls = {next(self._ids): parameters for parameters in parameter_lists}
        requests = [
            {"jsonrpc": "1.0", "id": call_id, "method": method, "params": parameters}
            for call_id, parameters in calls.items()
        ]
        results = _read_batch(self._exchange(json.dumps(requests).encode(), is_repeatable=True))
        if set(results) == set(calls):
            return [results[call_id] for call_id in calls]
        # A node that takes no batches, or refuses one of the calls, is asked call by call, and then says why.
        return [self._call(method, *parameters) for parameters in parameter_lists]

    def _exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Make the outside call."""
        return self._transport.exchange(body, is_repeatable=is_repeatable)


def get_node(*, timeout_s_min: float = 0) -> NodeClient:
    """Return the client of the node that the settings name, through the transport that they name.

    A call may take as long as the settings say, and at least `timeout_s_min`.
    """
    return _make_node(
        settings.CADASTRE_NODE_URL,
        max(settings.CADASTRE_NODE_TIMEOUT_SECONDS, timeout_s_min),
        settings.CADASTRE_NODE_TRANSPORT,
    )


@lru_cache(maxsize=8)
def _make_node(url: str, timeout_s: float, transport_path: str) -> NodeClient:
    """Make a client once, so that its threads' connections are kept between tasks and requests."""
    transport: Callable[..., Transport] = import_string(transport_path)
    return NodeClient(url, timeout_s=timeout_s, transport=transport(url, timeout_s=timeout_s))


def _none_if_unknown(call: Callable[[], Result]) -> Result | None:
    """Make a call whose -5 means that there is no such thing."""
    try:
        return call()
    except NodeRejectedError as error:
        if error.code == RPC_INVALID_ADDRESS_OR_KEY:
            return None
        raise


def _read_batch(reply: bytes) -> dict[int, Any]:
    """Return a batch's results by id, without what is no result, or empty if the reply is no batch's."""
    try:
        answers = json.loads(reply, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answers, list):
        return {}
    return {
        answer["id"]: answer["result"]
        for answer in answers
        if isinstance(answer, dict) and isinstance(answer.get("id"), int) and answer.get("result") is not None
    }


def _refuse_constant(text: str) -> object:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{text} is not JSON")
