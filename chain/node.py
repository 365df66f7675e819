"""The client of a Bitcoin node: Bitcoin Core's JSON-RPC, and nothing else, over one connection per thread.

Whatever speaks that protocol can serve it: Bitcoin Core 28 or later, or the development node. Amounts become
int sat and never pass through a float. Read calls survive a dropped connection; a transaction is never sent
again blindly.
"""

import base64
import http.client
import itertools
import json
import os
import threading
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils.module_loading import import_string

from chain.errors import (
    NodeAuthenticationError,
    NodeProtocolError,
    NodeRejectedError,
    NodeUnavailableError,
    TransactionAlreadyKnownError,
    TransactionMissingInputsError,
    TransactionRejectedError,
)
from chain.node_results import (
    AcceptResult,
    ChainInfo,
    HeaderInfo,
    MempoolEntry,
    TxOut,
    read_hash,
    read_int,
    read_raw,
    read_sat,
)

RPC_INVALID_ADDRESS_OR_KEY = -5
RPC_VERIFY_ERROR = -25
RPC_VERIFY_REJECTED = -26
RPC_VERIFY_ALREADY_IN_CHAIN = -27
RPC_IN_WARMUP = -28
RPC_DESERIALIZATION_ERROR = -22

Result = TypeVar("Result")
_DESCRIBED = True
_IN_HEX = False
_HTTP_UNAUTHORIZED = 401
_HTTP_FORBIDDEN = 403
_MISSING_INPUTS = ("bad-txns-inputs-missingorspent", "missing-inputs", "Missing inputs")


class Transport(Protocol):
    """The one outside call: a JSON-RPC request goes out, its reply comes back."""

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Send one request body and return the reply's body.

        Raises NodeUnavailableError if no reply came, NodeAuthenticationError if the password is refused.
        """


class _KeptConnection:
    """An open connection, closed when its thread or its transport ends."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self.process_id = os.getpid()

    def __del__(self) -> None:
        """Close the connection."""
        self.connection.close()


class HttpTransport:
    """JSON-RPC over HTTP/1.1 with one kept-alive connection per thread."""

    def __init__(self, url: str, *, timeout_s: float = 30) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NodeProtocolError("the node's address must look like http://user:password@host:port")
        self._is_https = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = parts.path or "/"
        self._timeout_s = timeout_s
        credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(credentials).decode("ascii"),
            "Content-Type": "application/json",
        }
        self._local = threading.local()

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Send one request body and return the reply's body.

        A kept connection may have been dropped by the node while idle. A repeatable request is then sent
        once more on a new connection; one that is not goes out on a new connection in the first place.
        Raises NodeUnavailableError if no reply came, NodeAuthenticationError if the password is refused.
        """
        if not is_repeatable:
            self.close()
        is_reused = self._find_connection() is not None
        try:
            return self._exchange_once(body)
        except (ConnectionError, http.client.BadStatusLine) as error:
            self.close()
            if not (is_repeatable and is_reused):
                raise NodeUnavailableError(f"the Bitcoin node dropped the connection: {error}") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NodeUnavailableError(f"the Bitcoin node does not answer: {error}") from error
        return self.exchange(body, is_repeatable=False)

    def close(self) -> None:
        """Close this thread's connection; the next request opens a new one."""
        self._local.kept = None

    def _find_connection(self) -> http.client.HTTPConnection | None:
        """Return this thread's open connection, unless a forked parent opened it."""
        kept: _KeptConnection | None = getattr(self._local, "kept", None)
        return kept.connection if kept is not None and kept.process_id == os.getpid() else None

    def _exchange_once(self, body: bytes) -> bytes:
        """Send on this thread's connection, opened if there is none."""
        connection = self._find_connection()
        if connection is None:
            make = http.client.HTTPSConnection if self._is_https else http.client.HTTPConnection
            connection = make(self._host, self._port, timeout=self._timeout_s)
            self._local.kept = _KeptConnection(connection)
        connection.request("POST", self._path, body, self._headers)
        response = connection.getresponse()
        reply: bytes = response.read()
        if response.status in {_HTTP_UNAUTHORIZED, _HTTP_FORBIDDEN}:
            raise NodeAuthenticationError(f"the Bitcoin node answered {response.status}")
        if not response.headers.get("Content-Type", "").startswith("application/json"):
            # Core answers like this while its work queue is full (503), and so does a proxy without a node
            # behind it.
            raise NodeUnavailableError(f"the Bitcoin node answered {response.status} without JSON")
        return reply


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

        Raises NodeRejectedError (-8) if the chain is not that long.
        """
        return read_hash(self._call("getblockhash", height))

    def get_block_header(self, block_hash: str) -> HeaderInfo:
        """Return a block's header; `confirmations` is -1 where the block is off the best chain.

        Raises NodeRejectedError (-5) if the node does not know the block.
        """
        described = self._call("getblockheader", block_hash, _DESCRIBED)
        raw = read_raw(self._call("getblockheader", block_hash, _IN_HEX))
        return HeaderInfo.from_json(described, raw)

    def find_block_header(self, block_hash: str) -> HeaderInfo | None:
        """Return a block's header, or None if the node does not know the block."""
        return _none_if_unknown(lambda: self.get_block_header(block_hash))

    def get_block(self, block_hash: str) -> bytes:
        """Return a block's serialisation.

        Raises NodeRejectedError (-5) if the node does not know the block, (-1) if it has pruned it.
        """
        return read_raw(self._call("getblock", block_hash, 0))

    def get_raw_transaction(self, txid: str, *, block_hash: str | None = None) -> bytes:
        """Return a transaction from the mempool, or from the block that is named.

        Raises NodeRejectedError (-5) if it is not there.
        """
        parameters = [txid, False] if block_hash is None else [txid, False, block_hash]
        return read_raw(self._call("getrawtransaction", *parameters))

    def find_raw_transaction(self, txid: str, *, block_hash: str | None = None) -> bytes | None:
        """Return a transaction from the mempool or the named block, or None if it is not there."""
        return _none_if_unknown(lambda: self.get_raw_transaction(txid, block_hash=block_hash))

    def get_txout(self, txid: str, vout: int, *, include_mempool: bool = True) -> TxOut | None:
        """Return an unspent output, or None if it is spent or unknown; with the mempool, spends there count.

        Named after Core's call, which answers null there, so it is no `find_`.
        """
        value = self._call("gettxout", txid, vout, include_mempool)
        return None if value is None else TxOut.from_json(value)

    def send_raw_transaction(self, raw: bytes) -> str:
        """Give a signed transaction to the network and return its id. Never sent twice by itself.

        Raises TransactionRejectedError if the node refuses it, TransactionAlreadyKnownError if it is in the
        chain already, TransactionMissingInputsError if it spends what is not there, NodeUnavailableError if
        no answer came: then it may have been sent, and must be looked up first.
        """
        try:
            return read_hash(self._call("sendrawtransaction", raw.hex(), is_repeatable=False))
        except NodeRejectedError as error:
            raise _to_transaction_error(error) from error

    def test_mempool_accept(self, raw: bytes) -> AcceptResult:
        """Ask whether the node would take this transaction, and why not."""
        return AcceptResult.from_json(self._call("testmempoolaccept", [raw.hex()]))

    def estimate_smart_fee(self, blocks: int) -> int | None:
        """Return the fee rate in sat/kvB that should confirm within so many blocks, or None if the
        node cannot tell."""
        value = self._call("estimatesmartfee", blocks)
        if not isinstance(value, dict):
            raise NodeProtocolError("estimatesmartfee did not answer with an object")
        return read_sat(value["feerate"]) if "feerate" in value else None

    def get_mempool_entry(self, txid: str) -> MempoolEntry | None:
        """Return a mempool transaction's size, fee and unconfirmed parents, or None if it is not in the mempool.

        Named after Core's call, so it is no `find_`; its -5 is an answer here, as it is to Core's users.
        """
        value = _none_if_unknown(lambda: self._call("getmempoolentry", txid))
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

    def _call(self, method: str, *parameters: Any, is_repeatable: bool = True) -> Any:
        """Make one call and return its result, with numbers that have a fraction as Decimal."""
        call_id = next(self._ids)
        body = json.dumps({"jsonrpc": "1.0", "id": call_id, "method": method, "params": parameters}).encode()
        reply = self._exchange(body, is_repeatable=is_repeatable)
        try:
            value = json.loads(reply, parse_float=Decimal, parse_constant=_refuse_constant)
        except ValueError as error:
            raise NodeProtocolError(f"{method} was not answered with JSON") from error
        if not isinstance(value, dict) or value.get("id") != call_id:
            raise NodeProtocolError(f"{method} was answered with something else")
        if value.get("error") is not None:
            raise _to_error(value["error"])
        if "result" not in value:
            raise NodeProtocolError(f"{method} was answered without a result")
        return value["result"]

    def _exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Make the outside call."""
        return self._transport.exchange(body, is_repeatable=is_repeatable)


def get_node() -> NodeClient:
    """Return the client of the node that the settings name, through the transport that they name."""
    return _make_node(
        settings.CADASTRE_NODE_URL,
        settings.CADASTRE_NODE_TIMEOUT_SECONDS,
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


def _to_error(value: object) -> Exception:
    """Turn an error object of the reply into ours."""
    if not isinstance(value, dict) or not isinstance(value.get("code"), int):
        return NodeProtocolError("the node's error has no code")
    code, message = value["code"], str(value.get("message", ""))
    if code == RPC_IN_WARMUP:
        return NodeUnavailableError(f"the Bitcoin node is starting: {message}")
    return NodeRejectedError(code, message)


def _to_transaction_error(error: NodeRejectedError) -> NodeRejectedError:
    """Turn the refusal of a transaction into the error that says why."""
    code, message = error.code, error.node_message
    if code == RPC_VERIFY_ALREADY_IN_CHAIN:
        return TransactionAlreadyKnownError(code, message)
    if code == RPC_VERIFY_ERROR and message.startswith(_MISSING_INPUTS):
        return TransactionMissingInputsError(code, message)
    if code in {RPC_VERIFY_ERROR, RPC_VERIFY_REJECTED, RPC_DESERIALIZATION_ERROR}:
        return TransactionRejectedError(code, message)
    return error


def _refuse_constant(text: str) -> object:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{text} is not JSON")
