"""What the node's calls return, read strictly from JSON: a wrong type is an error here, not a surprise
later."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from chain.errors import NodeInconsistentError, NodeProtocolError
from chain.transactions import HEADER_BYTES, VALUE_SAT_MAX, block_hash

SAT_PER_COIN = 100_000_000
_COINS_MAX = VALUE_SAT_MAX // SAT_PER_COIN
_HASH_CHARACTERS = 64
_NO_HASH = "00" * 32
_PREVIOUS_HASH = slice(4, 36)
_TIME = slice(68, 72)


def read_int(value: object) -> int:
    """Return a JSON integer. Raises NodeProtocolError if it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise NodeProtocolError(f"the node answered {value!r} where an integer belongs")
    return value


def read_bool(value: object) -> bool:
    """Return a JSON boolean. Raises NodeProtocolError if it is anything else."""
    if not isinstance(value, bool):
        raise NodeProtocolError(f"the node answered {value!r} where a boolean belongs")
    return value


def read_text(value: object) -> str:
    """Return a JSON string. Raises NodeProtocolError if it is anything else."""
    if not isinstance(value, str):
        raise NodeProtocolError(f"the node answered {value!r} where a string belongs")
    return value


def read_raw(value: object) -> bytes:
    """Return the bytes that a JSON string gives in hex. Raises NodeProtocolError if it is anything else."""
    try:
        return bytes.fromhex(read_text(value))
    except ValueError as error:
        raise NodeProtocolError("the node's answer is not hex") from error


def read_hash(value: object) -> str:
    """Return a 32-byte hash in hex. Raises NodeProtocolError if it is anything else."""
    text = read_text(value)
    if len(text) != _HASH_CHARACTERS or len(read_raw(text)) * 2 != _HASH_CHARACTERS:
        raise NodeProtocolError(f"the node answered {text!r} where a hash belongs")
    return text


def read_sat(value: object) -> int:
    """Return an amount, which JSON gives in coins, in satoshi.

    Raises NodeProtocolError if it is no number, more than there can be, or finer than a satoshi.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not -_COINS_MAX <= value <= _COINS_MAX:
        raise NodeProtocolError(f"the node answered {value!r} where an amount belongs")
    amount = Decimal(value) * SAT_PER_COIN
    if amount != amount.to_integral_value():
        raise NodeProtocolError(f"the amount {value} is finer than a satoshi")
    return int(amount)


def read_header(value: object, wanted: str) -> bytes:
    """Return the 80 bytes of the header of the block with this hash.

    Raises NodeProtocolError if it is no header, NodeInconsistentError if it is another block's.
    """
    raw = read_raw(value)
    if len(raw) != HEADER_BYTES:
        raise NodeProtocolError(f"the node answered {len(raw)} bytes where a header belongs")
    return read_block(value, wanted)


def read_block(value: object, wanted: str) -> bytes:
    """Return the bytes of the block with this hash; what follows its header is not looked at.

    Raises NodeProtocolError if it is not hex, NodeInconsistentError if it is another block.
    """
    raw = read_raw(value)
    found = block_hash(raw[:HEADER_BYTES])
    if found != wanted:
        raise NodeInconsistentError(f"the node was asked for block {wanted} and answered with {found}")
    return raw


def read_previous_hash(header: bytes) -> str:
    """Return the hash of the block before, from the 80 bytes of a header."""
    return header[_PREVIOUS_HASH][::-1].hex()


def _read_object(value: object) -> dict[str, Any]:
    """Return a JSON object whose missing members read as None, which no reader takes."""
    if not isinstance(value, dict):
        raise NodeProtocolError(f"the node answered {value!r} where an object belongs")
    return value


@dataclass(frozen=True)
class ChainInfo:
    """The state of the node's chain (`getblockchaininfo`).

    Whether it is in its initial download is None where the node does not say; `prune_height` is that of the
    lowest block which a pruned node has, None where nothing is pruned or the node does not say. `signet_challenge`
    (hex, in lower case) is the script of a signet's blocks, None on other networks or where the node does not say.
    """

    chain: str
    blocks: int
    headers: int
    best_block_hash: str
    is_initial_block_download: bool | None
    pruned: bool
    prune_height: int | None
    signet_challenge: str | None

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read the node's answer."""
        fields = _read_object(value)
        download, prune_height = fields.get("initialblockdownload"), fields.get("pruneheight")
        challenge = fields.get("signet_challenge")
        return cls(
            chain=read_text(fields.get("chain")),
            blocks=read_int(fields.get("blocks")),
            headers=read_int(fields.get("headers")),
            best_block_hash=read_hash(fields.get("bestblockhash")),
            is_initial_block_download=None if download is None else read_bool(download),
            pruned=read_bool(fields.get("pruned")),
            prune_height=None if prune_height is None else read_int(prune_height),
            signet_challenge=None if challenge is None else read_raw(challenge).hex(),
        )


@dataclass(frozen=True)
class HeaderInfo:
    """A block's header (`getblockheader`); `confirmations` is -1 off the best chain, `time` in Unix
    seconds."""

    hash: str
    height: int
    confirmations: int
    raw: bytes
    previous_hash: str | None
    time: int

    @classmethod
    def from_json(cls, value: object, raw: bytes) -> Self:
        """Read the node's two answers: the described header and its 80 bytes."""
        fields = _read_object(value)
        # The genesis block has none: Core leaves it out, btcd says zeros.
        previous_hash = None if fields.get("previousblockhash") == _NO_HASH else fields.get("previousblockhash")
        return cls(
            hash=read_hash(fields.get("hash")),
            height=read_int(fields.get("height")),
            confirmations=read_int(fields.get("confirmations")),
            raw=raw,
            previous_hash=None if previous_hash is None else read_hash(previous_hash),
            time=read_int(fields.get("time")),
        )

    @classmethod
    def of_stale_block(cls, block_hash: str, raw: bytes, *, height: int) -> Self:
        """Describe a block off the best chain by its 80 bytes, where the node does not."""
        time = int.from_bytes(raw[_TIME], "little")
        return cls(block_hash, height, -1, raw, read_previous_hash(raw), time)


@dataclass(frozen=True)
class TxOut:
    """An unspent output (`gettxout`); 0 confirmations where it is in the mempool."""

    value_sat: int
    script: bytes
    confirmations: int
    coinbase: bool

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read the node's answer."""
        fields = _read_object(value)
        return cls(
            value_sat=read_sat(fields.get("value")),
            script=read_raw(_read_object(fields.get("scriptPubKey")).get("hex")),
            confirmations=read_int(fields.get("confirmations")),
            coinbase=read_bool(fields.get("coinbase")),
        )


@dataclass(frozen=True)
class UnspentCoin:
    """An unspent output of the best chain and the height of its block (`scantxoutset`)."""

    txid: str
    vout: int
    height: int

    @classmethod
    def list_from_json(cls, value: object) -> list[Self]:
        """Read the node's answer, in the order of the heights."""
        fields = _read_object(value)
        listed = fields.get("unspents")
        if not read_bool(fields.get("success")) or not isinstance(listed, list):
            raise NodeProtocolError("scantxoutset did not list the outputs")
        coins = [
            cls(read_hash(item.get("txid")), read_int(item.get("vout")), read_int(item.get("height")))
            for item in map(_read_object, listed)
        ]
        return sorted(coins, key=lambda coin: (coin.height, coin.txid, coin.vout))


@dataclass(frozen=True)
class AcceptResult:
    """Whether the mempool would take a transaction (`testmempoolaccept`), and why not."""

    is_allowed: bool
    reject_reason: str | None

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read the node's answer about one transaction."""
        if not isinstance(value, list) or len(value) != 1:
            raise NodeProtocolError("testmempoolaccept did not answer about one transaction")
        fields = _read_object(value[0])
        # btcd leaves "allowed" out where it is false, and then gives a reason.
        is_allowed = read_bool(fields.get("allowed", False if "reject-reason" in fields else None))
        return cls(is_allowed, None if is_allowed else read_text(fields.get("reject-reason")))


@dataclass(frozen=True)
class MempoolEntry:
    """A transaction in the mempool (`getmempoolentry`): size in vbytes, fee in sat, parents' ids."""

    virtual_size: int
    fee_sat: int
    depends: tuple[str, ...]

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read the node's answer."""
        fields = _read_object(value)
        depends = fields.get("depends")
        if not isinstance(depends, list):
            raise NodeProtocolError("getmempoolentry did not list the parents")
        # Core has the fee among others; btcd has it alone.
        fee = _read_object(fields["fees"]).get("base") if "fees" in fields else fields.get("fee")
        return cls(
            virtual_size=read_int(fields.get("vsize")),
            fee_sat=read_sat(fee),
            depends=tuple(read_hash(item) for item in depends),
        )
