"""The hashes between a record and a block, each with the very bytes that are hashed and commands that hash them.

The bytes come from the verifier's own functions, so what a visitor checks by hand is what the verifier checks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from registry.proof.commitments import BATCH_TAG, Batch
from registry.proof.hashes import sha256, sha256d
from registry.proof.headers import display_hash, parse_header
from registry.proof.jcs import canonicalise
from registry.proof.leaves import LEAF_TAG, Record
from registry.proof.merkle import path_sides
from registry.proof.readers import SIZE_PREFIX_MIN
from registry.proof.transactions import ANCHOR_MARKER, parse_transaction, read_anchor

VALUE_BYTES = 8
"""An output's value in satoshi, as a transaction has it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the bytes that are hashed: what they are, and their value as people read it, "" if bytes say it best.

    `is_carried` marks the result of the step before.
    """

    name: str
    data: bytes
    value: str = ""
    is_carried: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One hash: SHA-256 over the parts in their order, or SHA-256 of it where `is_double`.

    `is_shown_reversed` says that nodes and explorers print this result byte-reversed.
    """

    name: str
    parts: tuple[Part, ...]
    is_double: bool = False
    is_shown_reversed: bool = False

    @property
    def preimage(self) -> bytes:
        """What is hashed."""
        return b"".join(part.data for part in self.parts)

    @property
    def result(self) -> bytes:
        """The hash, 32 bytes in the order in which the hash function gives them."""
        return sha256d(self.preimage) if self.is_double else sha256(self.preimage)

    @property
    def shown(self) -> str:
        """The hash as nodes and explorers print it."""
        return display_hash(self.result) if self.is_shown_reversed else self.result.hex()

    @property
    def shell_command(self) -> str:
        """A command of the shell that prints the hash (with `xxd` and GNU's `sha256sum`)."""
        again = " | cut -c 1-64 | xxd -r -p | sha256sum" if self.is_double else ""
        return f"printf %s {self.preimage.hex()} | xxd -r -p | sha256sum{again}"

    @property
    def python_command(self) -> str:
        """The same with Python alone; it prints the hash as `shown` has it."""
        digest = "h(h(b).digest())" if self.is_double else "h(b)"
        printed = f"{digest}.digest()[::-1].hex()" if self.is_shown_reversed else f"{digest}.hexdigest()"
        code = f"from hashlib import sha256 as h; b = bytes.fromhex('{self.preimage.hex()}'); print({printed})"
        return f'python3 -c "{code}"'


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """The checks of one stage of the way; `key` names it in addresses."""

    key: str
    name: str
    checks: tuple[Check, ...]


def check_leaf(*, record: Record, details: dict[str, object], salt: bytes) -> CheckGroup:
    """Return how a record's details and fields become its leaf."""
    details_check = Check(
        name="Hash of the details",
        parts=(
            Part("salt", salt),
            Part("details, as canonical JSON", canonicalise(details), value=canonicalise(details).decode()),
        ),
    )
    leaf_check = Check(
        name="Leaf",
        parts=(
            Part("tag", LEAF_TAG, value=_show_tag(LEAF_TAG)),
            Part("kind", record.kind.to_bytes(1), value=str(record.kind)),
            Part("SHA-256 of the registered bytes", record.sha256),
            Part("length", record.length.to_bytes(8), value=f"{record.length:,}"),
            Part("root", record.root),
            Part("seal", record.seal),
            Part("hash of the details", record.details_hash, is_carried=True),
        ),
    )
    return CheckGroup("leaf", "Leaf", (details_check, leaf_check))


def check_path(*, leaf: bytes, position: int, size: int, path: Sequence[bytes]) -> CheckGroup:
    """Return how a leaf leads to its batch's root. A batch of one leaf has no step.

    Raises BatchPathError if the batch has no such leaf, ValueError if the path's length is another.
    """
    steps = list(zip(path, path_sides(position, size), strict=True))
    checks = tuple(_climb(leaf, steps, last="Batch root", is_double=False))
    return CheckGroup("path", "Up the batch's tree", checks)


def check_commitment(batch: Batch) -> CheckGroup:
    """Return how a batch's root becomes its commitment."""
    check = Check(
        name="Commitment",
        parts=(
            Part("tag", BATCH_TAG, value=_show_tag(BATCH_TAG)),
            Part("batch", batch.seq.to_bytes(8), value=f"{batch.seq:,}"),
            Part("first leaf", batch.first_index.to_bytes(8), value=f"{batch.first_index:,}"),
            Part("number of leaves", batch.size.to_bytes(8), value=f"{batch.size:,}"),
            Part("commitment before it", batch.previous_commitment),
            Part("recent block", batch.recent_block_hash, value=f"shown as {display_hash(batch.recent_block_hash)}"),
            Part("batch root", batch.root, is_carried=True),
        ),
    )
    return CheckGroup("commitment", "Commitment", (check,))


def check_transaction(raw: bytes) -> CheckGroup:
    """Return how an anchor's bytes, without witness, become its txid.

    Raises MalformedTransactionError or AnchorShapeError if it is not an anchor.
    """
    anchor, transaction = read_anchor(raw), parse_transaction(raw)
    continuation = transaction.outputs[0]
    # An output is its value, its script's length, and its script; a long script's length takes three bytes.
    second_bytes = VALUE_BYTES + 1 + len(ANCHOR_MARKER)
    length_bytes = 1 if len(continuation.script) < SIZE_PREFIX_MIN else 3
    first_bytes = VALUE_BYTES + length_bytes + len(continuation.script)
    inputs_end = len(anchor.head) - second_bytes - first_bytes - 1
    first_end = inputs_end + 1 + first_bytes
    spent = transaction.outpoints[0]
    outpoint = f"{display_hash(spent[:32])}:{int.from_bytes(spent[32:], 'little')}"
    check = Check(
        name="Txid",
        parts=(
            Part("version", anchor.head[:4], value=str(transaction.version)),
            Part(
                "inputs",
                anchor.head[4:inputs_end],
                value=f"{len(transaction.outpoints)}, of which the first spends {outpoint}",
            ),
            Part("number of outputs", anchor.head[inputs_end : inputs_end + 1], value="2"),
            Part(
                "output 0, which the next anchor spends",
                anchor.head[inputs_end + 1 : first_end],
                value=f"{continuation.value_sat:,} sat",
            ),
            Part("output 1: value, script's length, OP_RETURN, push of 36 bytes, CDS1", anchor.head[first_end:]),
            Part("commitment", anchor.commitment, is_carried=True),
            Part("lock time", anchor.tail, value=f"{int.from_bytes(anchor.tail, 'little'):,}"),
        ),
        is_double=True,
        is_shown_reversed=True,
    )
    return CheckGroup("transaction", "Bitcoin transaction", (check,))


def check_block_path(*, txid: bytes, tx_index: int, path: Sequence[bytes]) -> CheckGroup:
    """Return how a txid (internal order) leads to its block's Merkle root. A block of one transaction has no step."""
    steps = [(neighbour, bool(tx_index >> level & 1)) for level, neighbour in enumerate(path)]
    checks = tuple(_climb(txid, steps, last="Merkle root of the block", is_double=True))
    return CheckGroup("block-path", "Up the block's tree", checks)


def check_header(raw: bytes) -> CheckGroup:
    """Return how a header becomes its block's hash. Raises MalformedHeaderError if it is not 80 bytes."""
    header = parse_header(raw)
    check = Check(
        name="Block hash",
        parts=(
            Part("version", raw[:4]),
            Part("block before it", header.previous_hash, value=f"shown as {display_hash(header.previous_hash)}"),
            Part("Merkle root", header.merkle_root, is_carried=True),
            Part("time", raw[68:72], value=f"{header.time} seconds since 1970"),
            Part("target, in short", raw[72:76], value=f"{header.bits:08x}"),
            Part("nonce", raw[76:]),
        ),
        is_double=True,
        is_shown_reversed=True,
    )
    return CheckGroup("header", "Block header", (check,))


def _climb(node: bytes, steps: Iterable[tuple[bytes, bool]], *, last: str, is_double: bool) -> Iterator[Check]:
    """Yield the joins from a node to its root; each step is a neighbour, and whether it stands on the left."""
    steps = list(steps)
    for height, (neighbour, is_left) in enumerate(steps, start=1):
        own = Part("the step before", node, is_carried=True)
        other = Part("neighbour", neighbour)
        is_root = height == len(steps)
        check = Check(
            name=last if is_root else f"Step {height} of {len(steps)}",
            parts=(other, own) if is_left else (own, other),
            is_double=is_double,
            is_shown_reversed=is_root and is_double,
        )
        yield check
        node = check.result


def _show_tag(tag: bytes) -> str:
    """Return a tag as text; the zero byte at its end is written out."""
    return tag[:-1].decode("ascii") + "\\0"
