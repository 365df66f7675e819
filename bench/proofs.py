"""The rows of proofs: writing all .ots of a batch, auditing them, and auditing a register's export.

"Hashing alone" means the hashes that a reader who remembers nothing needs, each computed on its own in a bare loop over
bytes that lie ready: for each proof of the batch the leaf, one for each neighbour in the batch, the commitment, and two
for the txid and for each neighbour in the block; for the export one for each leaf and one for each inner node. Nothing
is parsed, joined or compared there. Our side begins with files on the disk and ends with the claims.
"""

import hashlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation
from opentimestamps.core.op import OpAppend, OpPrepend, OpSHA256
from opentimestamps.core.serialize import StreamSerializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from bench.rows import Row, compare, time_call
from registry.archives import iterate_archive
from registry.proof.anchors import Registry, write_anchor_line, write_registry_line
from registry.proof.audits import audit_export
from registry.proof.bundles import audit_bundle, read_bundle
from registry.proof.commitments import Batch, commitment_hash, commitment_head, genesis_commitment
from registry.proof.documents import AnchoredBatch, BlockPlace, anchor_batch
from registry.proof.errors import ProofOfWorkError
from registry.proof.exports import (
    ANCHORS_NAME,
    BATCHES_NAME,
    REGISTER_NAME,
    ExportHead,
    name_leaves_file,
    write_export_head,
)
from registry.proof.headers import check_proof_of_work, parse_header
from registry.proof.leaves import leaf_preimage
from registry.proof.merkle import block_root_from_path, merkle_levels, merkle_root, path_from_levels, path_sides
from registry.proof.networks import REGTEST
from registry.proof.packed import PIECE_BYTES, RECORD_BYTES, RootBuilder, hash_packed, unpack_record
from registry.proof.sources import GivenHeaders
from registry.proof.templates import write_piece_suffixes, write_piece_timestamps, write_timestamp_suffix
from registry.proof.transactions import commitment_script, read_anchor

PROOFS = 100_000
EXPORTED = 1_000_000
HEIGHT = 900_000
BLOCK_TRANSACTIONS_DEPTH = 12
"""Neighbours of an anchor in a block of some 4,000 transactions."""

PEER_PART = 50
"""The stock serializer writes a fiftieth of the batch, and the time is taken so many times."""

SAMPLE_STEP = 997
"""Every so many'th timestamp of the two writers is compared."""


def measure(*, proofs: int = PROOFS, exported: int = EXPORTED) -> list[Row]:
    """Return the rows, of a batch of so many proofs and of an export of so many records."""
    batch = BenchBatch(proofs)
    with tempfile.TemporaryDirectory(prefix="cadastre-bench-") as folder:
        return [
            measure_writing(batch),
            measure_bundle(batch, Path(folder) / "proofs.zip"),
            measure_export(BenchBatch(exported), Path(folder) / "export"),
        ]


class BenchBatch:
    """A batch of synthetic records, anchored in a block that has proof of work at regtest's target."""

    def __init__(self, size: int) -> None:
        self.packed = b"".join(_make_records(size))
        self.pieces = [self.packed[at : at + PIECE_BYTES] for at in range(0, len(self.packed), PIECE_BYTES)]
        self.roots = [merkle_root(hash_packed(piece)) for piece in self.pieces]
        self.registry = Registry(genesis_block_hash=REGTEST.genesis_hash, first_outpoint=bytes(36))
        self.batch = Batch(0, 0, size, self._get_genesis(), bytes(32), _join(self.roots))
        self.raw_tx = make_anchor(commitment_hash(self.batch))
        self.block_path = tuple(hashlib.sha256(b"%d" % at).digest() for at in range(BLOCK_TRANSACTIONS_DEPTH))
        self.tx_index = 1_234
        self.header = self._mine()
        self.headers = GivenHeaders({HEIGHT: parse_header(self.header)})

    @property
    def anchored(self) -> AnchoredBatch:
        """The batch as proofs have it."""
        place = BlockPlace(height=HEIGHT, header=self.header, tx_index=self.tx_index, path=self.block_path)
        return anchor_batch(batch=self.batch, raw_tx=self.raw_tx, block=place)

    def write_timestamps(self) -> list[bytes]:
        """Return every .ots, from the packed records on."""
        end = write_timestamp_suffix(
            batch=self.batch, raw_tx=self.raw_tx, height=HEIGHT, tx_index=self.tx_index, block_path=self.block_path
        )
        suffixes = write_piece_suffixes(piece_roots=self.roots, suffix=end)
        written: list[bytes] = []
        for piece, suffix in zip(self.pieces, suffixes, strict=True):
            written += write_piece_timestamps(piece, suffix=suffix)
        return written

    def _get_genesis(self) -> bytes:
        return genesis_commitment(genesis_block_hash=REGTEST.genesis_hash, first_outpoint=bytes(36))

    def _mine(self) -> bytes:
        txid = read_anchor(self.raw_tx).txid
        root = block_root_from_path(txid=txid, tx_index=self.tx_index, path=self.block_path)
        for nonce in range(1 << 16):
            raw = bytes(36) + root + bytes(4) + bytes.fromhex("ffff7f20") + nonce.to_bytes(4, "little")
            try:
                check_proof_of_work(parse_header(raw))
            except ProofOfWorkError:
                continue
            return raw
        raise RuntimeError("no nonce fits")


def measure_writing(batch: BenchBatch) -> Row:
    """Compare writing every .ots, leaves and tree included, with python-opentimestamps' serializer, byte for byte."""
    levels = merkle_levels([leaf for piece in batch.pieces for leaf in hash_packed(piece)])
    ours = batch.write_timestamps()
    sample = range(0, batch.batch.size, SAMPLE_STEP)
    if [ours[place] for place in sample] != [write_with_library(batch, levels, place) for place in sample]:
        raise RuntimeError("the two writers differ")

    def write_part() -> None:
        for place in range(0, batch.batch.size, PEER_PART):
            write_with_library(batch, levels, place)

    return compare(
        f".ots of {batch.batch.size:,} records in a batch",
        lambda: time_call(batch.write_timestamps),
        "python-opentimestamps",
        lambda: PEER_PART * time_call(write_part),
        bar=1 / 50,
    )


def measure_bundle(batch: BenchBatch, path: Path) -> Row:
    """Compare the audit of an archive of every .ots with hashing alone."""
    members = ((f"{place:036}.ots", timestamp) for place, timestamp in enumerate(batch.write_timestamps()))
    with path.open("wb") as stream:
        stream.writelines(iterate_archive(members, made_at=datetime(2026, 1, 1, tzinfo=UTC)))
    size = batch.batch.size
    steps = [len(path_sides(place, size)) for place in range(size)]
    anchor = read_anchor(batch.raw_tx)
    once = [commitment_head(batch.batch) + bytes(32), anchor.head + bytes(32) + anchor.tail, bytes(32)]
    once += [bytes(64), bytes(32)] * len(batch.block_path)

    def audit() -> None:
        if audit_bundle(read_bundle(path), headers=batch.headers).proofs != size:
            raise RuntimeError("proofs are missing")

    return compare(
        f"audit of {size:,} .ots of a batch",
        lambda: time_call(audit),
        "hashing alone",
        lambda: time_call(lambda: hash_proofs(steps, once)),
        bar=3.0,
    )


def measure_export(batch: BenchBatch, folder: Path) -> Row:
    """Compare the audit of a register of one batch with hashing alone."""
    (folder / BATCHES_NAME).mkdir(parents=True)
    (folder / REGISTER_NAME).write_bytes(write_export_head(ExportHead(network="regtest", registry=batch.registry)))
    (folder / ANCHORS_NAME).write_bytes(write_registry_line(batch.registry) + write_anchor_line(batch.anchored))
    (folder / BATCHES_NAME / name_leaves_file(0)).write_bytes(batch.packed)

    def audit() -> None:
        if audit_export(folder, headers=batch.headers).records != batch.batch.size:
            raise RuntimeError("records are missing")

    return compare(
        f"audit of an export of {batch.batch.size:,} records",
        lambda: time_call(audit),
        "hashing alone",
        lambda: time_call(lambda: hash_tree(batch.batch.size)),
        bar=3.0,
    )


def hash_proofs(steps: Sequence[int], once: Sequence[bytes]) -> None:
    """Hash what each proof requires: its leaf, so many pairs, and what all of them have in common."""
    new_hash, leaf, pair = hashlib.sha256, bytes(17 + RECORD_BYTES), bytes(64)
    for count in steps:
        new_hash(leaf).digest()
        for _ in range(count):
            new_hash(pair).digest()
        for data in once:
            new_hash(data).digest()


def hash_tree(size: int) -> None:
    """Hash as many leaves' preimages, and as many pairs, as a batch of this size has."""
    new_hash, leaf, pair = hashlib.sha256, bytes(17 + RECORD_BYTES), bytes(64)
    for _ in range(size):
        new_hash(leaf).digest()
    for _ in range(size - 1):
        new_hash(pair).digest()


def write_with_library(batch: BenchBatch, levels: Sequence[bytes], place: int) -> bytes:
    """Write one .ots by python-opentimestamps, from a tree that is there already."""
    record = unpack_record(batch.packed[place * RECORD_BYTES : (place + 1) * RECORD_BYTES])
    anchor = read_anchor(batch.raw_tx)
    head, tail = leaf_preimage(record)
    operations = [OpPrepend(head), OpAppend(tail), OpSHA256()]
    path = path_from_levels(levels, place)
    for neighbour, is_left in zip(path, path_sides(place, batch.batch.size), strict=True):
        operations += [OpPrepend(neighbour) if is_left else OpAppend(neighbour), OpSHA256()]
    operations += [OpPrepend(commitment_head(batch.batch)), OpSHA256()]
    operations += [OpPrepend(anchor.head), OpAppend(anchor.tail), OpSHA256(), OpSHA256()]
    for level, neighbour in enumerate(batch.block_path):
        side = OpPrepend if batch.tx_index >> level & 1 else OpAppend
        operations += [side(neighbour), OpSHA256(), OpSHA256()]
    timestamp = top = Timestamp(record.sha256)
    for operation in operations:
        timestamp = timestamp.ops.add(operation)
    timestamp.attestations.add(BitcoinBlockHeaderAttestation(HEIGHT))
    stream = io.BytesIO()
    DetachedTimestampFile(OpSHA256(), top).serialize(StreamSerializationContext(stream))
    return stream.getvalue()


def make_anchor(commitment: bytes) -> bytes:
    """Return a transaction with an anchor's shape that spends an outpoint of zeros."""
    script = commitment_script(commitment)
    outputs = (1).to_bytes(8, "little") + b"\x16\x00\x14" + bytes(20) + bytes(8) + bytes([len(script)]) + script
    return (2).to_bytes(4, "little") + b"\x01" + bytes(36) + b"\x00\xfd\xff\xff\xff\x02" + outputs + bytes(4)


def _make_records(size: int) -> Iterator[bytes]:
    """Yield the packed records of distinct uploads."""
    for number in range(size):
        yield b"\1" + hashlib.sha256(b"%d" % number).digest() + (1).to_bytes(8) + bytes(96)


def _join(roots: Sequence[bytes]) -> bytes:
    builder = RootBuilder()
    for root in roots:
        builder.add(root)
    return builder.get_root()
