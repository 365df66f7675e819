import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation, UnknownAttestation
from opentimestamps.core.op import (
    OpAppend,
    OpHexlify,
    OpKECCAK256,
    OpPrepend,
    OpReverse,
    OpRIPEMD160,
    OpSHA1,
    OpSHA256,
)
from opentimestamps.core.serialize import BytesDeserializationContext, BytesSerializationContext, DeserializationError
from opentimestamps.core.timestamp import DetachedTimestampFile, Timestamp

from registry.proof.errors import MalformedTimestampError
from registry.proof.headers import parse_header
from registry.proof.sources import GivenHeaders
from registry.proof.timestamps import BITCOIN, ETHEREUM, LITECOIN, MAGIC, PENDING, hash_message, read_timestamp
from registry.proof.verify import get_attested_block, verify_timestamp
from tests.registry.proof.vectors import load

VECTORS = os.environ.get("BITCOIN_VECTORS")
needs_bitcoin_vectors = pytest.mark.skipif(not VECTORS, reason="BITCOIN_VECTORS names no folder of real Bitcoin data")
HEAD = MAGIC + b"\x01\x08" + bytes(32)
BLOCK_7 = b"\x00" + BITCOIN + b"\x01\x07"


def write_with_stock_library(timestamp: Timestamp, operation: object = None) -> bytes:
    context = BytesSerializationContext()
    DetachedTimestampFile(operation or OpSHA256(), timestamp).serialize(context)
    data: bytes = context.getbytes()
    return data


def is_accepted_by_stock_library(data: bytes) -> bool:
    try:
        DetachedTimestampFile.deserialize(BytesDeserializationContext(data))
    except (DeserializationError, RecursionError):
        return False
    return True


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_computes_every_operation_as_the_stock_library_does():
    timestamp = last = Timestamp(hashlib.sha256(b"").digest())
    for operation in (OpAppend(b"a"), OpPrepend(b"b"), OpReverse(), OpHexlify(), OpSHA1(), OpRIPEMD160(), OpSHA256()):
        last = last.ops.add(operation)
        last.attestations.add(BitcoinBlockHeaderAttestation(300 + len(last.msg)))

    read = read_timestamp(write_with_stock_library(timestamp))

    expected = sorted((message, attestation.height) for message, attestation in timestamp.all_attestations())
    assert sorted((a.message, a.height) for a in read.attestations) == expected


def test_what_follows_an_operation_that_python_lacks_has_no_message():
    timestamp = Timestamp(bytes(32))
    last = timestamp.ops.add(OpKECCAK256())
    for operation in (OpAppend(b"a"), OpSHA256()):
        last = last.ops.add(operation)
    last.attestations.add(BitcoinBlockHeaderAttestation(7))

    (attestation,) = read_timestamp(write_with_stock_library(timestamp)).attestations

    assert attestation.message in (None, last.msg)
    assert hash_message("no such hash", b"") is None
    assert hash_message("sha256", b"") == hashlib.sha256(b"").digest()


def test_nothing_is_computed_from_a_missing_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(read_timestamp.__globals__["HASHES"], 0x67, ("no such hash", 32))

    for operations in (b"\x67\x08", b"\x67\xf0\x01a", b"\x67\xf2", b"\x67\xf3"):
        (attestation,) = read_timestamp(HEAD + operations + BLOCK_7).attestations
        assert (attestation.message, attestation.height) == (None, 7)


def test_keeps_attestations_of_every_tag():
    timestamp = Timestamp(bytes(32))
    timestamp.attestations.add(UnknownAttestation(b"12345678", b"whatever"))
    timestamp.attestations.add(PendingAttestation("https://calendar.example/a"))
    timestamp.attestations.add(BitcoinBlockHeaderAttestation(500))

    read = read_timestamp(write_with_stock_library(timestamp))

    assert {(a.tag, a.height) for a in read.attestations} == {(b"12345678", None), (PENDING, None), (BITCOIN, 500)}
    assert {a.message for a in read.attestations} == {bytes(32)}


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", MAGIC, MAGIC[:-1] + b"\0" + HEAD[31:] + BLOCK_7, MAGIC + b"\x02\x08" + bytes(32) + BLOCK_7,
        MAGIC + b"\x01\xf2" + bytes(32) + BLOCK_7, HEAD, HEAD + BLOCK_7 + b"\0", HEAD + b"\xff" + BLOCK_7,
        HEAD + b"\xf0\x00" + BLOCK_7, HEAD + b"\xf0\x81\x20" + bytes(4097) + BLOCK_7, HEAD + b"\xf4" + BLOCK_7,
        HEAD + b"\xf1\x80\x20" + bytes(4096) + BLOCK_7, HEAD + b"\xf3" * 8 + BLOCK_7,
        HEAD + b"\x08" * 256 + BLOCK_7, HEAD + b"\x00" + BITCOIN + b"\x02\x07\x00", HEAD + b"\x00" + BITCOIN + b"\x00",
        HEAD + b"\x00" + LITECOIN + b"\x02\x07\x00", HEAD + b"\x00" + ETHEREUM + b"\x00",
        HEAD + b"\x00" + PENDING + b"\x02\x01?", HEAD + b"\x00" + PENDING + b"\x03\x01aa",
        HEAD + b"\x00" + PENDING + b"\xeb\x07\xe9\x07" + b"a" * 1001, HEAD + b"\x0012345678\x81\x40" + bytes(8193),
    ],
)  # fmt: skip
def test_refuses_what_the_stock_library_refuses(data: bytes):
    assert not is_accepted_by_stock_library(data)
    with pytest.raises(MalformedTimestampError):
        read_timestamp(data)


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"\x08" * 255 + BLOCK_7, HEAD + b"\xf1\xe0\x1f" + bytes(4064) + BLOCK_7, HEAD + b"\xf3" * 7 + BLOCK_7,
        HEAD + b"\xff" + BLOCK_7 + BLOCK_7, HEAD + b"\x00" + PENDING + b"\xea\x07\xe8\x07" + b"a" * 1000,
        HEAD + b"\x00" + LITECOIN + b"\x01\x07", HEAD + b"\x0012345678\x80\x40" + bytes(8192),
        MAGIC + b"\x01\x02" + bytes(20) + BLOCK_7,
        MAGIC + b"\x01\x67" + bytes(32) + BLOCK_7, MAGIC + b"\x81\x00\x08" + bytes(32) + BLOCK_7,
    ],
)  # fmt: skip
def test_accepts_what_the_stock_library_accepts_up_to_its_limits(data: bytes):
    assert is_accepted_by_stock_library(data)
    assert read_timestamp(data).attestations


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@given(
    st.lists(
        st.sampled_from([b"\x00", b"\xff", b"\x08", b"\x02", b"\xf0\x01a", b"\xf1\x02ab", b"\xf2", b"\xf3", BLOCK_7])
        | st.binary(min_size=1, max_size=3),
        max_size=20,
    )
)
def test_any_tree_is_accepted_exactly_if_the_stock_library_accepts_it(parts: list[bytes]):
    data = HEAD + b"".join(parts)
    try:
        read_timestamp(data)
        is_accepted = True
    except MalformedTimestampError:
        is_accepted = False

    assert is_accepted == is_accepted_by_stock_library(data)


@needs_bitcoin_vectors
def test_other_peoples_timestamps_verify_against_a_real_header():
    folder = Path(str(VECTORS))
    header = parse_header((folder / "702861.header").read_bytes())
    for case in json.loads((folder / "702861.json").read_text()):
        data = (folder / case["file"]).read_bytes()
        timestamp = read_timestamp(data)

        verify_timestamp(
            timestamp, digest=bytes.fromhex(case["commitment"]), headers=GivenHeaders({case["height"]: header})
        )


@needs_bitcoin_vectors
def test_the_stock_clients_own_example_leads_to_its_block():
    folder = Path(str(VECTORS))
    timestamp = read_timestamp((folder / "hello-world.txt.ots").read_bytes())

    assert timestamp.digest == hashlib.sha256((folder / "hello-world.txt").read_bytes()).digest()
    assert 358391 in {attestation.height for attestation in timestamp.attestations}


def test_the_attested_block_of_the_vector_is_its_anchors():
    vector = load("timestamp", "valid")
    header = parse_header(bytes.fromhex(vector["headers"]["117"]))
    timestamp = read_timestamp(bytes.fromhex(vector["proof_hex"]))

    assert get_attested_block(timestamp, headers=GivenHeaders({117: header})) == (117, header)
