import hashlib

import pytest
from opentimestamps.core.serialize import BytesDeserializationContext, BytesSerializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile

from registry.proof.documents import read_document
from registry.proof.errors import BatchPathError, InvalidRecordError
from registry.proof.leaves import Record, leaf_hash
from registry.proof.merkle import merkle_levels, merkle_root, path_from_levels
from registry.proof.packed import PIECE_RECORDS, pack_record
from registry.proof.templates import (
    write_piece_suffixes,
    write_piece_timestamps,
    write_timestamp,
    write_timestamp_suffix,
)
from tests.registry.proof.vectors import list_names, load


def write_from_document(text: str, *, height: int | None = None) -> bytes:
    document = read_document(text.encode())
    anchored = document.anchored
    suffix = write_timestamp_suffix(
        batch=anchored.batch,
        raw_tx=anchored.raw_tx,
        height=anchored.block.height if height is None else height,
        tx_index=anchored.block.tx_index,
        block_path=anchored.block.path,
    )
    return write_timestamp(
        record=document.record,
        position=document.index - anchored.batch.first_index,
        size=anchored.batch.size,
        path=document.path,
        suffix=suffix,
    )


@pytest.mark.parametrize(
    ("proof", "timestamp"), [("valid-only-leaf", "valid-only-leaf"), ("valid-with-witness", "valid")]
)
def test_writes_what_the_stock_librarys_own_operations_write(proof: str, timestamp: str):
    assert write_from_document(load("proof", proof)["proof"]).hex() == load("timestamp", timestamp)["proof_hex"]


@pytest.mark.parametrize("name", [name for name in list_names("proof") if name.startswith("valid-")])
@pytest.mark.parametrize("height", [1, 127, 128, 16384, 900_000])
def test_the_stock_library_reads_it_and_writes_the_same_bytes(name: str, height: int):
    vector = load("proof", name)
    data = write_from_document(vector["proof"], height=height)

    read = DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
    context = BytesSerializationContext()
    read.serialize(context)

    assert context.getbytes() == data
    ((message, attestation),) = read.timestamp.all_attestations()
    document = read_document(vector["proof"].encode())
    assert (message, attestation.height) == (document.anchored.block.header[36:68], height)


def test_refuses_a_path_of_another_place():
    document = read_document(load("proof", "valid-closed-details")["proof"].encode())

    with pytest.raises(BatchPathError):
        write_timestamp(record=document.record, position=4, size=5, path=document.path, suffix=b"")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 1023, 1024, 1025, 2 * 1024 + 3])
def test_the_timestamps_of_a_batch_are_those_of_its_records_one_by_one(size: int):
    records = [
        Record(number % 256 or 1, hashlib.sha256(b"%d" % number).digest(), number + 1, bytes(32), bytes(32), bytes(32))
        for number in range(size)
    ]
    leaves = list(map(leaf_hash, records))
    pieces = [leaves[start : start + PIECE_RECORDS] for start in range(0, size, PIECE_RECORDS)]
    packed = [records[start : start + PIECE_RECORDS] for start in range(0, size, PIECE_RECORDS)]

    suffixes = list(write_piece_suffixes(piece_roots=list(map(merkle_root, pieces)), suffix=b"the end"))
    written = [
        timestamp
        for piece, suffix in zip(packed, suffixes, strict=True)
        for timestamp in write_piece_timestamps(b"".join(map(pack_record, piece)), suffix=suffix)
    ]

    levels = merkle_levels(leaves)
    assert written == [
        write_timestamp(
            record=record, position=place, size=size, path=path_from_levels(levels, place), suffix=b"the end"
        )
        for place, record in enumerate(records)
    ]


def test_refuses_to_write_timestamps_of_anything_but_packed_records():
    with pytest.raises(InvalidRecordError):
        write_piece_timestamps(bytes(136), suffix=b"")
    with pytest.raises(BatchPathError):
        write_piece_timestamps(b"", suffix=b"")
    with pytest.raises(BatchPathError):
        list(write_piece_suffixes(piece_roots=[], suffix=b""))
