"""What a node's refusals mean: its error codes, and the words of nodes that use other codes than Bitcoin Core.

Codes are those of Bitcoin Core's protocol.h. docs/reference/nodes.md lists where btcd differs.
"""

from chain.errors import (
    NodeProtocolError,
    NodeRejectedError,
    NodeUnavailableError,
    TransactionAlreadyKnownError,
    TransactionMissingInputsError,
    TransactionRejectedError,
)

RPC_MISC_ERROR = -1
RPC_INVALID_ADDRESS_OR_KEY = -5
RPC_INVALID_PARAMETER = -8
RPC_DESERIALIZATION_ERROR = -22
RPC_VERIFY_ERROR = -25
RPC_VERIFY_REJECTED = -26
RPC_VERIFY_ALREADY_IN_CHAIN = -27
RPC_IN_WARMUP = -28
RPC_METHOD_NOT_FOUND = -32601
RPC_INVALID_PARAMETERS = -32602
RPC_INTERNAL_ERROR = -32603

_MISSING_INPUTS = (
    "bad-txns-inputs-missingorspent",
    "missing-inputs",
    "Missing inputs",
    "TX rejected: orphan transaction",
)
_ALREADY_WAITING = ("already have transaction in mempool", "txn-already-in-mempool")
_OUT_OF_RANGE = "out of range"
_UNIMPLEMENTED = "unimplemented"
_NOT_AVAILABLE = "Block not available"


def is_call_lacking(error: NodeRejectedError) -> bool:
    """Tell whether the node has no such call; btcd answers with -1 for calls that it knows by name alone."""
    is_unimplemented = error.code == RPC_MISC_ERROR and _UNIMPLEMENTED in error.node_message
    return error.code == RPC_METHOD_NOT_FOUND or is_unimplemented


def is_height_out_of_range(error: NodeRejectedError) -> bool:
    """Tell whether the node's chain is not that long: -8, and -1 from btcd."""
    is_misc = error.code == RPC_MISC_ERROR and _OUT_OF_RANGE in error.node_message
    return error.code == RPC_INVALID_PARAMETER or is_misc


def is_block_missing(error: NodeRejectedError) -> bool:
    """Tell whether the node does not know a block (-5), or knows it and has no data of it (-1)."""
    is_unavailable = error.code == RPC_MISC_ERROR and _NOT_AVAILABLE in error.node_message
    return error.code == RPC_INVALID_ADDRESS_OR_KEY or is_unavailable


def is_already_waiting(error: NodeRejectedError) -> bool:
    """Tell whether a transaction was refused because the mempool has it."""
    return error.code == RPC_VERIFY_REJECTED and any(words in error.node_message for words in _ALREADY_WAITING)


def to_error(value: object) -> Exception:
    """Turn an error object of the reply into ours."""
    if not isinstance(value, dict) or not isinstance(value.get("code"), int):
        return NodeProtocolError("the node's error has no code")
    code, message = value["code"], str(value.get("message", ""))
    if code == RPC_IN_WARMUP:
        return NodeUnavailableError(f"the Bitcoin node is starting: {message}")
    return NodeRejectedError(code, message)


def to_transaction_error(error: NodeRejectedError) -> NodeRejectedError:
    """Turn the refusal of a transaction into the error that says why."""
    code, message = error.code, error.node_message
    if code == RPC_VERIFY_ALREADY_IN_CHAIN:
        return TransactionAlreadyKnownError(code, message)
    if code == RPC_VERIFY_ERROR and message.startswith(_MISSING_INPUTS):
        return TransactionMissingInputsError(code, message)
    if code in {RPC_VERIFY_ERROR, RPC_VERIFY_REJECTED, RPC_DESERIALIZATION_ERROR}:
        return TransactionRejectedError(code, message)
    return error
