"""Which transactions the node relays: Bitcoin Core 28's rules and words, as far as one transaction
alone decides."""

from chain.devnode.coins import is_unspendable
from chain.transactions import VALUE_SAT_MAX, Output, Transaction, weight

MIN_RELAY_FEE_SAT_PER_KVB = 1_000
INCREMENTAL_FEE_SAT_PER_KVB = 1_000
DUST_FEE_SAT_PER_KVB = 3_000
DATA_CARRIER_BYTES_MAX = 83
STANDARD_WEIGHT_MAX = 400_000
STRIPPED_BYTES_MIN = 65
SCRIPT_SIG_BYTES_MAX = 1_650
COINBASE_SCRIPT_BYTES = range(2, 101)
VERSIONS = range(1, 4)

_OP_RETURN = 0x6A
_OP_PUSHDATA1, _OP_PUSHDATA2, _OP_PUSHDATA4, _OP_16 = 0x4C, 0x4D, 0x4E, 0x60
_OP_1 = 0x51
_P2PKH_BYTES, _P2SH_BYTES, _WITNESS_PROGRAM_SCRIPT_BYTES_MIN, _TAPROOT_KEY_BYTES = 25, 23, 4, 32
_MULTISIG_OPCODES_MIN = 3
_OP_CHECKSIG, _OP_CHECKMULTISIG = 0xAC, 0xAE
_PUBLIC_KEY_BYTES = (33, 65)
_WITNESS_PROGRAM_BYTES = range(2, 41)
_WITNESS_V0_BYTES = (20, 32)
_BARE_MULTISIG_KEYS_MAX = 3
_WITNESS_INPUT_BYTES = 32 + 4 + 1 + 107 // 4 + 4
_LEGACY_INPUT_BYTES = 32 + 4 + 1 + 107 + 4


class MempoolRejection(Exception):  # noqa: N818  a refusal is an outcome here, not an error of the node
    """The mempool refuses a transaction; `reason` is Bitcoin Core's word for why."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(f"{reason}, {details}" if details else reason)
        self.reason = reason
        self.details = details


def fee_for(virtual_size: int, rate_sat_per_kvb: int) -> int:
    """Return the fee in satoshi that a rate asks of so many vbytes, rounded up."""
    return -(-virtual_size * rate_sat_per_kvb // 1000)


def check_sanity(transaction: Transaction) -> None:
    """Check the consensus rules that need no other data (Core's CheckTransaction).

    Raises MempoolRejection if one is broken.
    """
    if not transaction.inputs:
        raise MempoolRejection("bad-txns-vin-empty")
    if not transaction.outputs:
        raise MempoolRejection("bad-txns-vout-empty")
    values = [output.value_sat for output in transaction.outputs]
    if min(values) < 0:
        raise MempoolRejection("bad-txns-vout-negative")
    if max(values) > VALUE_SAT_MAX:
        raise MempoolRejection("bad-txns-vout-toolarge")
    if sum(values) > VALUE_SAT_MAX:
        raise MempoolRejection("bad-txns-txouttotal-toolarge")
    outpoints = {(item.txid, item.vout) for item in transaction.inputs}
    if len(outpoints) != len(transaction.inputs):
        raise MempoolRejection("bad-txns-inputs-duplicate")
    if transaction.is_coinbase:
        raise MempoolRejection("coinbase")


def check_standard(transaction: Transaction) -> None:
    """Check what Core relays by default (IsStandardTx).

    Raises MempoolRejection if the transaction is not standard.
    """
    if transaction.version not in VERSIONS:
        raise MempoolRejection("version")
    if weight(transaction.raw) > STANDARD_WEIGHT_MAX:
        raise MempoolRejection("tx-size")
    for item in transaction.inputs:
        if len(item.script) > SCRIPT_SIG_BYTES_MAX:
            raise MempoolRejection("scriptsig-size")
        if not is_push_only(item.script):
            raise MempoolRejection("scriptsig-not-pushonly")
    _check_standard_outputs(transaction.outputs)


def _check_standard_outputs(outputs: tuple[Output, ...]) -> None:
    """Check the outputs' scripts, their number of data outputs, and dust."""
    kinds = [classify_script(output.script) for output in outputs]
    for output, kind in zip(outputs, kinds, strict=True):
        is_long_data = kind == "nulldata" and len(output.script) > DATA_CARRIER_BYTES_MAX
        if kind == "nonstandard" or is_long_data:
            raise MempoolRejection("scriptpubkey")
        if output.value_sat < dust_threshold(output.script):
            raise MempoolRejection("dust")
    if kinds.count("nulldata") > 1:
        raise MempoolRejection("multi-op-return")


def dust_threshold(script: bytes) -> int:
    """Return the least value in satoshi at which an output is worth its later spending (Core's
    GetDustThreshold)."""
    if is_unspendable(script):
        return 0
    size = 8 + 1 + len(script)
    size += _WITNESS_INPUT_BYTES if _is_witness_program(script) else _LEGACY_INPUT_BYTES
    return fee_for(size, DUST_FEE_SAT_PER_KVB)


def classify_script(script: bytes) -> str:
    """Return the name that Core gives to an output script's type."""
    if script[:1] == bytes([_OP_RETURN]) and is_push_only(script[1:]):
        return "nulldata"
    if len(script) == _P2PKH_BYTES and script[:3] == b"\x76\xa9\x14" and script[-2:] == b"\x88\xac":
        return "pubkeyhash"
    if len(script) == _P2SH_BYTES and script[:2] == b"\xa9\x14" and script[-1:] == b"\x87":
        return "scripthash"
    if _is_witness_program(script):
        return _classify_witness_program(script)
    if len(script) - 2 in _PUBLIC_KEY_BYTES and script[0] == len(script) - 2 and script[-1] == _OP_CHECKSIG:
        return "pubkey"
    return "multisig" if _is_small_multisig(script) else "nonstandard"


def is_push_only(script: bytes) -> bool:
    """Tell whether a script only pushes data (Core's IsPushOnly)."""
    offset = 0
    while offset < len(script):
        opcode = script[offset]
        offset += 1
        if opcode > _OP_16:
            return False
        if opcode in {_OP_PUSHDATA1, _OP_PUSHDATA2, _OP_PUSHDATA4}:
            width = 1 << (opcode - _OP_PUSHDATA1)
            offset += width + int.from_bytes(script[offset : offset + width], "little")
        elif opcode < _OP_PUSHDATA1:
            offset += opcode
    return offset == len(script)


def _is_witness_program(script: bytes) -> bool:
    """Tell whether a script is a version opcode and one push of 2 to 40 bytes (BIP 141)."""
    if (
        len(script) < _WITNESS_PROGRAM_SCRIPT_BYTES_MIN
        or script[1] != len(script) - 2
        or script[1] not in _WITNESS_PROGRAM_BYTES
    ):
        return False
    return script[0] == 0 or _OP_1 <= script[0] <= _OP_16


def _classify_witness_program(script: bytes) -> str:
    """Return the name of a witness program's type."""
    version, length = script[0], script[1]
    if version == 0:
        names = dict(zip(_WITNESS_V0_BYTES, ("witness_v0_keyhash", "witness_v0_scripthash"), strict=True))
        return names.get(length, "nonstandard")
    if version == _OP_1 and length == _TAPROOT_KEY_BYTES:
        return "witness_v1_taproot"
    return "witness_unknown"


def _is_small_multisig(script: bytes) -> bool:
    """Tell whether a script asks for m signatures of at most three keys."""
    if len(script) < _MULTISIG_OPCODES_MIN or script[-1] != _OP_CHECKMULTISIG:
        return False
    needed, given = script[0] - _OP_1 + 1, script[-2] - _OP_1 + 1
    keys, body = 0, script[1:-2]
    while body and body[0] in _PUBLIC_KEY_BYTES and len(body) > body[0]:
        keys, body = keys + 1, body[1 + body[0] :]
    return not body and keys == given and 1 <= needed <= given <= _BARE_MULTISIG_KEYS_MAX
