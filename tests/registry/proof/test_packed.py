from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.errors import BatchPathError, InvalidRecordError
from registry.proof.leaves import ZERO_HASH, Record, leaf_hash
from registry.proof.merkle import merkle_root
from registry.proof.packed import PIECE_RECORDS, RECORD_BYTES, RootBuilder, hash_packed, pack_record, unpack_record

HASHES = st.binary(min_size=32, max_size=32)
RECORDS = st.one_of(
    st.builds(Record, st.just(0), HASHES, st.just(0), st.just(ZERO_HASH), st.just(ZERO_HASH), HASHES),
    st.builds(Record, st.integers(1, 255), HASHES, st.integers(1, 2**64 - 1), HASHES, HASHES, HASHES),
)


@given(st.lists(RECORDS, max_size=4))
def test_the_leaves_of_packed_records_are_those_of_the_records(records: list[Record]):
    packed = b"".join(map(pack_record, records))

    assert hash_packed(packed) == list(map(leaf_hash, records))
    assert [unpack_record(packed[at : at + RECORD_BYTES]) for at in range(0, len(packed), RECORD_BYTES)] == records


@given(st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES), st.booleans(), st.booleans())
def test_bytes_are_refused_by_the_rules_of_records(packed: bytes, is_bare: bool, has_no_length: bool):
    packed = bytes(1) + packed[1:] if is_bare else packed
    packed = packed[:33] + bytes(8) + packed[41:] if has_no_length else packed
    try:
        leaf = leaf_hash(unpack_record(packed))
    except InvalidRecordError:
        with pytest.raises(InvalidRecordError):
            hash_packed(packed)
    else:
        assert hash_packed(packed) == [leaf]


@pytest.mark.parametrize("field", ["length", "root", "seal"])
def test_a_bare_digest_has_neither_length_nor_root_nor_seal(field: str):
    bare = Record(0, bytes(32), 0, ZERO_HASH, ZERO_HASH, bytes(32))
    other = replace(bare, kind=1, length=1, root=b"\1" * 32, seal=b"\1" * 32)
    fields = {"length": (33, 41), "root": (41, 73), "seal": (73, 105)}
    begin, end = fields[field]
    packed = pack_record(bare)[:begin] + pack_record(other)[begin:end] + pack_record(bare)[end:]

    with pytest.raises(InvalidRecordError):
        hash_packed(packed)


@pytest.mark.parametrize("length", [1, RECORD_BYTES - 1, RECORD_BYTES + 1])
def test_parts_of_records_are_refused(length: int):
    with pytest.raises(InvalidRecordError):
        hash_packed(bytes(length))
    with pytest.raises(InvalidRecordError):
        unpack_record(bytes(length))


@pytest.mark.parametrize("size", [1, 2, 1023, 1024, 1025, 3 * 1024, 5 * 1024 + 1, 7 * 1024 + 1023])
def test_the_root_by_pieces_is_the_root_of_all_leaves(size: int):
    leaves = [number.to_bytes(32) for number in range(size)]
    builder = RootBuilder()

    for start in range(0, size, PIECE_RECORDS):
        builder.add(merkle_root(leaves[start : start + PIECE_RECORDS]))

    assert builder.get_root() == merkle_root(leaves)


def test_no_piece_has_no_root():
    with pytest.raises(BatchPathError):
        RootBuilder().get_root()
