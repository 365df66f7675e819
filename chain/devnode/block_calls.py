"""RPC calls about blocks and the chain. Names, parameters and answers are Bitcoin Core's."""

from typing import Any

from chain.devnode.json_text import to_coins
from chain.devnode.mining import BLOCK_VERSION
from chain.devnode.node import BlockRefusedError, DevelopmentNode
from chain.devnode.parameters import check_hash
from chain.devnode.rpc_errors import (
    RPC_DESERIALIZATION_ERROR,
    RPC_INVALID_ADDRESS_OR_KEY,
    RPC_INVALID_PARAMETER,
    RPC_MISC_ERROR,
    RpcError,
)
from chain.devnode.transaction_calls import describe_transaction
from chain.devnode.tree import BlockNode, expand_target
from chain.errors import AddressError, TransactionFormatError
from chain.keys import address_to_script
from chain.networks import REGTEST
from chain.transactions import parse_block, weight

GENERATED_MAX = 10_000
_HEADER_BYTES = 80
_DIFFICULTY_ONE_TARGET = 0xFFFF << 208
VERSION = 280000


def getblockchaininfo(node: DevelopmentNode) -> dict[str, Any]:
    """Describe the active chain."""
    tip = node.tree.tip
    return {
        "chain": REGTEST.name,
        "blocks": tip.block.height,
        "headers": tip.block.height,
        "bestblockhash": tip.block.hash,
        "difficulty": to_coins(_difficulty_e8(tip)),
        "time": tip.block.time,
        "mediantime": node.tree.median_time(tip.block),
        "verificationprogress": 1,
        "initialblockdownload": False,
        "chainwork": f"{tip.work:064x}",
        "size_on_disk": 0,
        "pruned": False,
        "warnings": [],
    }


def getnetworkinfo(node: DevelopmentNode) -> dict[str, Any]:
    """Describe a node without peers."""
    return {
        "version": VERSION,
        "subversion": "/CadastreDevelopmentNode/",
        "protocolversion": 70016,
        "connections": 0,
        "networkactive": False,
        "relayfee": to_coins(1000),
        "incrementalfee": to_coins(1000),
        "networks": [],
        "localaddresses": [],
        "warnings": [],
        "blockversion": BLOCK_VERSION,
        "blocks": node.tree.tip.block.height,
    }


def getblockcount(node: DevelopmentNode) -> int:
    """Return the active chain's height."""
    return node.tree.tip.block.height


def getbestblockhash(node: DevelopmentNode) -> str:
    """Return the hash of the active chain's last block."""
    return node.tree.tip.block.hash


def getblockhash(node: DevelopmentNode, height: int) -> str:
    """Return the hash of the active chain's block at a height."""
    found = node.tree.find_active(height)
    if found is None:
        raise RpcError(RPC_INVALID_PARAMETER, "Block height out of range")
    return found.block.hash


def getblockheader(node: DevelopmentNode, blockhash: str, verbose: bool = True) -> str | dict[str, Any]:  # noqa: FBT001, FBT002  RPC
    """Return a block's header in hex, or described."""
    found = find_block(node, blockhash)
    return _describe_header(node, found) if verbose else found.block.header.hex()


def getblock(node: DevelopmentNode, blockhash: str, verbosity: int | bool = 1) -> str | dict[str, Any]:  # noqa: FBT001  RPC
    """Return a block in hex (0), with its transactions' ids (1), or with its transactions (2)."""
    found = find_block(node, blockhash)
    if not verbosity:
        return found.raw.hex()
    stripped = _HEADER_BYTES + 1 + sum((weight(item.raw) - len(item.raw)) // 3 for item in found.block.transactions)
    transactions = [
        item.txid if int(verbosity) == 1 else describe_transaction(item) for item in found.block.transactions
    ]
    size = len(found.raw)
    return {
        **_describe_header(node, found),
        "strippedsize": stripped,
        "size": size,
        "weight": 3 * stripped + size,
        "tx": transactions,
    }


def generatetoaddress(node: DevelopmentNode, nblocks: int, address: str, maxtries: int = 1_000_000) -> list[str]:
    """Mine blocks that pay to an address."""
    if not 0 <= nblocks <= GENERATED_MAX or maxtries < 1:
        raise RpcError(RPC_INVALID_PARAMETER, f"nblocks must be from 0 to {GENERATED_MAX}")
    try:
        script = address_to_script(address, REGTEST)
    except AddressError as error:
        raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, "Error: Invalid address") from error
    try:
        return node.generate(nblocks, script)
    except BlockRefusedError as error:
        raise RpcError(RPC_MISC_ERROR, f"TestBlockValidity failed: {error}") from error


def submitblock(node: DevelopmentNode, hexdata: str, dummy: str = "") -> str | None:  # noqa: ARG001  BIP 22 has the dummy
    """Offer a block; answer null if it joined the active chain, else the reason."""
    try:
        raw = bytes.fromhex(hexdata)
        parse_block(raw, height=0)
    except (ValueError, TransactionFormatError) as error:
        raise RpcError(RPC_DESERIALIZATION_ERROR, "Block decode failed") from error
    return node.submit_block(raw)


def invalidateblock(node: DevelopmentNode, blockhash: str) -> None:
    """Treat a block, and all after it, as invalid from now on."""
    found = find_block(node, blockhash)
    if found.block.height == 0:
        raise RpcError(RPC_MISC_ERROR, "The genesis block cannot be invalidated")
    node.invalidate(found)


def reconsiderblock(node: DevelopmentNode, blockhash: str) -> None:
    """Undo invalidateblock."""
    node.reconsider(find_block(node, blockhash))


def find_block(node: DevelopmentNode, blockhash: str) -> BlockNode:
    """Return a block of the tree. Raises RpcError (-8, -5) if the hash is malformed or unknown."""
    check_hash(blockhash, "blockhash")
    found = node.tree.find(blockhash.lower())
    if found is None:
        raise RpcError(RPC_INVALID_ADDRESS_OR_KEY, "Block not found")
    return found


def count_confirmations(node: DevelopmentNode, found: BlockNode) -> int:
    """Return how many blocks of the active chain confirm a block, or -1 if it is not in it."""
    if not node.tree.is_active(found.block):
        return -1
    return node.tree.tip.block.height - found.block.height + 1


def _describe_header(node: DevelopmentNode, found: BlockNode) -> dict[str, Any]:
    """Describe a header as getblockheader does."""
    block = found.block
    version = int.from_bytes(block.header[:4], "little", signed=True)
    described: dict[str, Any] = {
        "hash": block.hash,
        "confirmations": count_confirmations(node, found),
        "height": block.height,
        "version": version,
        "versionHex": f"{version & 0xFFFFFFFF:08x}",
        "merkleroot": block.header[36:68][::-1].hex(),
        "time": block.time,
        "mediantime": node.tree.median_time(block),
        "nonce": int.from_bytes(block.header[76:80], "little"),
        "bits": f"{found.bits:08x}",
        "difficulty": to_coins(_difficulty_e8(found)),
        "chainwork": f"{found.work:064x}",
        "nTx": len(block.transactions),
    }
    if block.height > 0:
        described["previousblockhash"] = block.previous_hash
    following = node.tree.find_active(block.height + 1)
    if following is not None and node.tree.is_active(block):
        described["nextblockhash"] = following.block.hash
    return described


def _difficulty_e8(node: BlockNode) -> int:
    """Return how much harder than the easiest main network block this one was, in hundred-millionths."""
    return (_DIFFICULTY_ONE_TARGET * 10**8) // expand_target(node.bits)
