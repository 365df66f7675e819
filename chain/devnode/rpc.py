"""JSON-RPC: one request, or a batch of them, becomes a reply. 1.0, 1.1 and 2.0 as Bitcoin Core 28
speaks them."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from chain.devnode import block_calls, transaction_calls
from chain.devnode.json_text import dump_json
from chain.devnode.node import DevelopmentNode, NodeFailedError
from chain.devnode.parameters import bind_parameters
from chain.devnode.rpc_errors import (
    RPC_DATABASE_ERROR,
    RPC_IN_WARMUP,
    RPC_INVALID_REQUEST,
    RPC_METHOD_NOT_FOUND,
    RPC_MISC_ERROR,
    RPC_PARSE_ERROR,
    RpcError,
)

logger = logging.getLogger(__name__)

_CALLS: dict[str, Callable[..., Any]] = {
    call.__name__: call
    for call in (
        block_calls.generatetoaddress,
        block_calls.getbestblockhash,
        block_calls.getblock,
        block_calls.getblockchaininfo,
        block_calls.getblockcount,
        block_calls.getblockhash,
        block_calls.getblockheader,
        block_calls.getnetworkinfo,
        block_calls.invalidateblock,
        block_calls.reconsiderblock,
        block_calls.submitblock,
        transaction_calls.estimatesmartfee,
        transaction_calls.getmempoolentry,
        transaction_calls.getrawmempool,
        transaction_calls.getrawtransaction,
        transaction_calls.gettxout,
        transaction_calls.scantxoutset,
        transaction_calls.sendrawtransaction,
        transaction_calls.testmempoolaccept,
    )
}
CALL_NAMES = tuple(sorted(_CALLS))
BATCH_REQUESTS_MAX = 1_000

HTTP_OK = 200
HTTP_NO_CONTENT = 204
HTTP_BAD_REQUEST = 400
HTTP_NOT_FOUND = 404
HTTP_SERVER_ERROR = 500
_HTTP_BY_CODE = {RPC_INVALID_REQUEST: HTTP_BAD_REQUEST, RPC_METHOD_NOT_FOUND: HTTP_NOT_FOUND}


@dataclass(frozen=True)
class Reply:
    """The HTTP status and body that answer a request."""

    status: int
    body: bytes


def answer(node: DevelopmentNode | None, body: bytes) -> Reply:
    """Answer one request body; `node` is None while it starts."""
    try:
        request = json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _reply_error(RpcError(RPC_PARSE_ERROR, "Parse error"))
    if not isinstance(request, list):
        return _answer_one(node, request)
    if len(request) > BATCH_REQUESTS_MAX:
        message = f"A batch has at most {BATCH_REQUESTS_MAX} requests"
        return _reply_error(RpcError(RPC_INVALID_REQUEST, message))
    replies = [reply.body for reply in (_answer_one(node, item) for item in request) if reply.body]
    if request and not replies:
        return Reply(HTTP_NO_CONTENT, b"")
    return Reply(HTTP_OK, b"[" + b",".join(item.strip() for item in replies) + b"]\n")


def _answer_one(node: DevelopmentNode | None, request: object) -> Reply:
    """Answer one request. Version 2.0 puts every outcome under status 200 and leaves notifications
    unanswered."""
    if not isinstance(request, dict):
        return _reply_error(RpcError(RPC_INVALID_REQUEST, "Invalid Request object"))
    is_v2 = request.get("jsonrpc") == "2.0"
    call_id = request.get("id")
    try:
        result, error = _run(node, request), None
    except RpcError as caught:
        result, error = None, caught
    if is_v2 and "id" not in request:
        return Reply(HTTP_NO_CONTENT, b"")
    described = None if error is None else {"code": error.code, "message": error.message}
    if is_v2:
        outcome = {"result": result} if error is None else {"error": described}
        return _reply(HTTP_OK, {"jsonrpc": "2.0", **outcome, "id": call_id})
    status = HTTP_OK if error is None else _HTTP_BY_CODE.get(error.code, HTTP_SERVER_ERROR)
    return _reply(status, {"result": result, "error": described, "id": call_id})


def _run(node: DevelopmentNode | None, request: dict[str, Any]) -> Any:
    """Make the call that a request names, alone. Raises RpcError if it fails."""
    method = request.get("method")
    if not isinstance(method, str):
        message = "Missing method" if method is None else "Method must be a string"
        raise RpcError(RPC_INVALID_REQUEST, message)
    if node is None:
        raise RpcError(RPC_IN_WARMUP, "The node is starting or stopping")
    call = _CALLS.get(method)
    if call is None:
        raise RpcError(RPC_METHOD_NOT_FOUND, "Method not found")
    given = request.get("params")
    arguments = bind_parameters(call, [] if given is None else given)
    with node.lock:
        try:
            node.check_health()
            return call(node, **arguments)
        except NodeFailedError as error:
            message = "The block log cannot be written; start the node again"
            raise RpcError(RPC_DATABASE_ERROR, message) from error
        except RpcError:
            raise
        except Exception as error:
            # A defect of this node must answer its caller, and must not look like an answer.
            logger.exception("%s failed", method)
            raise RpcError(RPC_MISC_ERROR, f"{method} failed: {type(error).__name__}") from error


def _reply_error(error: RpcError) -> Reply:
    """Answer a request that could not be read as one."""
    described = {"code": error.code, "message": error.message}
    status = _HTTP_BY_CODE.get(error.code, HTTP_SERVER_ERROR)
    return _reply(status, {"result": None, "error": described, "id": None})


def _reply(status: int, value: dict[str, Any]) -> Reply:
    """Write a reply's body."""
    return Reply(status, dump_json(value).encode() + b"\n")


def _refuse_constant(text: str) -> object:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(f"{text} is not JSON")
