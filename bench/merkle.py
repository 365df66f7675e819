"""The Merkle rows: trees, paths and .ots, against a bare hashing loop and against other libraries."""

import hashlib
import io
from collections.abc import Callable
from functools import partial

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation
from opentimestamps.core.op import OpAppend, OpPrepend, OpSHA256
from opentimestamps.core.serialize import StreamSerializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from bench.leaves import LEAVES, hash_bare, make_leaves
from bench.memory import measure_memory
from bench.peers.run import run_peer
from bench.rows import Row, compare, time_call
from registry.proof.commitments import Batch, commitment_head
from registry.proof.leaves import ZERO_HASH, Record, leaf_hash, leaf_preimage
from registry.proof.merkle import merkle_levels, path_from_levels, path_sides
from registry.proof.templates import write_timestamp, write_timestamp_suffix
from registry.proof.transactions import commitment_script, read_anchor
from registry.trees import SUBTREE_LEAVES, build_root

PEER_LEAVES = 100_000
TIMESTAMPS = 20_000
HEIGHT = 900_000


def measure() -> list[Row]:
    """Return the Merkle rows."""
    leaves, few = make_leaves(LEAVES), make_leaves(PEER_LEAVES)
    bare = partial(time_call, partial(hash_bare, leaves))
    name = f"a bare loop of {LEAVES:,} hashes"
    return [
        compare(
            f"root of {LEAVES:,} leaves, as sealing builds it",
            partial(time_call, partial(build_in_subtrees, leaves)),
            name,
            bare,
            bar=1.3,
        ),
        compare(
            f"tree and path data of {LEAVES:,} leaves",
            partial(time_call, partial(merkle_levels, leaves)),
            name,
            bare,
            bar=1.3,
        ),
        measure_memory("tree", name=f"memory that this tree of {LEAVES:,} leaves adds", limit_mb=120),
        compare(
            f"root of {PEER_LEAVES:,} leaves",
            partial(time_call, partial(build_root, few)),
            "pymerkle",
            partial(run_peer, "pymerkle_root", str(PEER_LEAVES)),
            bar=1.0,
        ),
        measure_timestamps(),
    ]


def build_in_subtrees(leaves: list[bytes]) -> bytes:
    """Return the root over the roots of the subtrees."""
    return build_root([build_root(leaves[at : at + SUBTREE_LEAVES]) for at in range(0, len(leaves), SUBTREE_LEAVES)])


def measure_timestamps() -> Row:
    """Compare our template of .ots with python-opentimestamps' serializer, over the same proofs, byte for byte."""
    ours, theirs = make_writers()
    if [ours(place) for place in range(50)] != [theirs(place) for place in range(50)]:
        raise RuntimeError("the two writers differ")
    return compare(
        f".ots of {TIMESTAMPS:,} records in a batch",
        lambda: time_call(lambda: [ours(place) for place in range(TIMESTAMPS)]),
        "python-opentimestamps",
        # A twentieth of the work, taken twenty times: it is that much slower.
        lambda: 20 * time_call(lambda: [theirs(place) for place in range(TIMESTAMPS // 20)]),
        bar=1 / 50,
    )


def make_writers() -> tuple[Callable[[int], bytes], Callable[[int], bytes]]:
    """Return our writer and the library's for the same batch, each from a leaf's place to its .ots."""
    records = [
        Record(1, hashlib.sha256(b"%d" % place).digest(), 1, bytes(32), ZERO_HASH, bytes(32))
        for place in range(TIMESTAMPS)
    ]
    levels = merkle_levels([leaf_hash(record) for record in records])
    batch = Batch(0, 0, TIMESTAMPS, bytes(32), bytes(32), levels[-1])
    raw_tx = make_anchor(hashlib.sha256(commitment_head(batch) + batch.root).digest())
    suffix = write_timestamp_suffix(batch=batch, raw_tx=raw_tx, height=HEIGHT, tx_index=0, block_path=())

    def ours(place: int) -> bytes:
        path = path_from_levels(levels, place)
        return write_timestamp(record=records[place], position=place, size=TIMESTAMPS, path=path, suffix=suffix)

    def theirs(place: int) -> bytes:
        path = path_from_levels(levels, place)
        return write_with_library(records[place], place, path, batch, raw_tx)

    return ours, theirs


def write_with_library(record: Record, place: int, path: tuple[bytes, ...], batch: Batch, raw_tx: bytes) -> bytes:
    """Write one .ots by python-opentimestamps."""
    anchor = read_anchor(raw_tx)
    head, tail = leaf_preimage(record)
    operations = [OpPrepend(head), OpAppend(tail), OpSHA256()]
    for neighbour, is_left in zip(path, path_sides(place, TIMESTAMPS), strict=True):
        operations += [OpPrepend(neighbour) if is_left else OpAppend(neighbour), OpSHA256()]
    operations += [OpPrepend(commitment_head(batch)), OpSHA256(), OpPrepend(anchor.head), OpAppend(anchor.tail)]
    timestamp = top = Timestamp(record.sha256)
    for operation in [*operations, OpSHA256(), OpSHA256()]:
        timestamp = timestamp.ops.add(operation)
    timestamp.attestations.add(BitcoinBlockHeaderAttestation(HEIGHT))
    stream = io.BytesIO()
    DetachedTimestampFile(OpSHA256(), top).serialize(StreamSerializationContext(stream))
    return stream.getvalue()


def make_anchor(commitment: bytes) -> bytes:
    """Return a transaction with an anchor's shape."""
    script = commitment_script(commitment)
    outputs = (1).to_bytes(8, "little") + b"\x16\x00\x14" + bytes(20) + bytes(8) + bytes([len(script)]) + script
    return (2).to_bytes(4, "little") + b"\x01" + bytes(36) + b"\x00\xfd\xff\xff\xff\x02" + outputs + bytes(4)
