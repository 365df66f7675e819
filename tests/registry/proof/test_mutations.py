"""Changed, cut and huge inputs: nothing is proved that the original did not prove, and no limit is passed."""

import re
from io import BytesIO
from pathlib import Path

import pytest
from opentimestamps.core.serialize import BytesDeserializationContext, DeserializationError
from opentimestamps.core.timestamp import DetachedTimestampFile

from registry.proof.__main__ import main
from registry.proof.anchors import read_registry
from registry.proof.claims import Claims, describe_document
from registry.proof.documents import read_document
from registry.proof.errors import InvalidProofError, UndecidedError
from registry.proof.timestamps import MAGIC
from registry.proof.verify import verify_canonical, verify_document
from tests.registry.proof.vectors import get_headers, list_names, load, prove_timestamp

ANCHORS = load("anchors", "valid")
DATA = ANCHORS["anchors"].encode()


def prove_canonical(anchors: bytes) -> Claims:
    """Verify the vector's proof with the bytes of an anchors file."""
    headers, stream = get_headers(ANCHORS), BytesIO(anchors)
    document = read_document(ANCHORS["proof"].encode())
    verify_document(document, subject=bytes.fromhex(ANCHORS["sha256"]), headers=headers)
    registry = read_registry(stream)
    verify_canonical(document, registry=registry, anchors=stream, headers=headers)
    return describe_document(document, headers=headers, registry=registry)


@pytest.mark.parametrize("flip", [0x01, 0x02, 0x10, 0x20, 0x80, 0xFF])
def test_no_changed_byte_of_an_anchors_file_proves_anything_else(flip: int):
    claims = prove_canonical(DATA)
    # Of an anchor before the proof's, the header is not looked up and regtest's target is easily met; that its height
    # does not go down is all that is asked of it. The last anchor's place in a block is the proof's business.
    spans = [found.span() for found in re.finditer(rb'"block":\{[^}]*\}', DATA)]
    for position in range(len(DATA)):
        changed = bytearray(DATA)
        changed[position] ^= flip
        try:
            assert prove_canonical(bytes(changed)) == claims, position
        except (InvalidProofError, UndecidedError):
            continue
        assert any(start <= position < end for start, end in spans), position


def test_an_anchors_file_that_is_cut_off_proves_nothing():
    for length in range(len(DATA.rstrip())):
        with pytest.raises((InvalidProofError, UndecidedError)):
            prove_canonical(DATA[:length])


@pytest.mark.parametrize("name", ["valid-others", "valid-two-blocks", "valid-keccak256", "valid-operations"])
@pytest.mark.parametrize("flip", [0x01, 0x08, 0x80, 0xFF, 0x6F])
def test_no_changed_byte_of_other_peoples_timestamps_proves_anything_else(name: str, flip: int):
    vector = load("timestamp", name)
    original = bytes.fromhex(vector["proof_hex"])
    claims = prove_timestamp(vector, original)
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= flip
        try:
            found = prove_timestamp(vector, bytes(changed))
        except (InvalidProofError, UndecidedError):
            continue
        # An attestation that proves nothing may say something else: the proof is the same.
        assert (found.digest, found.hash_name, found.block) == (claims.digest, claims.hash_name, claims.block), position


@pytest.mark.parametrize("name", ["valid-others", "valid-operations"])
def test_no_timestamp_of_other_people_that_is_cut_off_is_accepted(name: str):
    vector = load("timestamp", name)
    original = bytes.fromhex(vector["proof_hex"])
    for length in range(len(original)):
        with pytest.raises(InvalidProofError):
            prove_timestamp(vector, original[:length])


def test_every_way_in_which_bytes_can_be_malformed_has_a_vector():
    expected = {load(kind, name)["expect"] for kind in ("proof", "anchors", "timestamp") for name in list_names(kind)}

    assert expected >= {
        "MalformedDocumentError",
        "MalformedTimestampError",
        "MalformedTransactionError",
        "NotCanonicalError",
        "ProofTooLargeError",
    }


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", list_names("timestamp"))
def test_the_stock_library_refuses_the_same_bytes_but_where_the_vector_says_so(name: str):
    vector = load("timestamp", name)
    is_malformed = vector["expect"] == "MalformedTimestampError"
    try:
        DetachedTimestampFile.deserialize(BytesDeserializationContext(bytes.fromhex(vector["proof_hex"])))
        is_accepted = True
    except DeserializationError:
        is_accepted = False

    assert is_accepted == (not is_malformed or vector.get("stock") == "accepts")


@pytest.mark.parametrize("start", [b"{", MAGIC, b" " * 100 + b"{", b"\x00"])
def test_a_proof_of_a_hundred_megabytes_is_refused_unread(
    start: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "proof").write_bytes(start)
    with (tmp_path / "proof").open("r+b") as stream:
        stream.truncate(100_000_000)

    assert main(["verify", "--digest", "00" * 32, str(tmp_path / "proof"), "--header", f"0:{'00' * 80}"]) == 1

    assert "read limit of 1048576 bytes (ProofTooLargeError)" in capsys.readouterr().out


def test_an_anchors_file_of_one_line_of_a_hundred_megabytes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "proof").write_text(ANCHORS["proof"], encoding="utf-8")
    with (tmp_path / "anchors").open("wb") as stream:
        stream.truncate(100_000_000)
    headers = [f"--header={height}:{raw}" for height, raw in ANCHORS["headers"].items()]
    arguments = ["verify", "--digest", ANCHORS["sha256"], str(tmp_path / "proof"), *headers]

    assert main([*arguments, "--anchors", str(tmp_path / "anchors")]) == 1

    assert "more than 65536 bytes (ProofTooLargeError)" in capsys.readouterr().out
