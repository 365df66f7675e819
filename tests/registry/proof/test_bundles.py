import hashlib
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.proof import bundles
from registry.proof.bundles import ENDINGS_BYTES_MAX, TimestampChecker, audit_bundle, read_bundle
from registry.proof.commitments import Batch, commitment_hash
from registry.proof.errors import (
    BatchPathError,
    BlockPathError,
    HeaderUnavailableError,
    ProofError,
    ProofTooLargeError,
    SubjectMismatchError,
    UndecidedError,
    UnknownFormatError,
    UsageError,
)
from registry.proof.headers import Header, parse_header
from registry.proof.leaves import Record
from registry.proof.merkle import merkle_root
from registry.proof.packed import hash_packed, pack_record
from registry.proof.sources import GivenHeaders
from registry.proof.templates import write_piece_timestamps, write_timestamp_suffix
from registry.proof.timestamps import read_timestamp
from registry.proof.transactions import commitment_script
from registry.proof.verify import get_attested_block
from tests.registry.proof.vectors import get_headers, load

HEIGHT = 200


class CountingHeaders:
    """Headers that count how often they were asked for: once for each proof that went through the whole verifier."""

    def __init__(self, headers: GivenHeaders) -> None:
        self._headers = headers
        self.asked = 0

    def get_header(self, height: int) -> Header:
        self.asked += 1
        return self._headers.get_header(height)

    def find_height(self, block_hash: bytes) -> int | None:
        return self._headers.find_height(block_hash)


def make_batch(size: int) -> tuple[list[bytes], GivenHeaders]:
    """Return the .ots of a batch whose anchor is alone in its block, and the header."""
    records = [
        Record(1, hashlib.sha256(b"%d" % number).digest(), 1, bytes(32), bytes(32), bytes(32)) for number in range(size)
    ]
    packed = b"".join(map(pack_record, records))
    batch = Batch(0, 0, size, bytes(32), bytes(32), merkle_root(hash_packed(packed)))
    script = commitment_script(commitment_hash(batch))
    outputs = bytes(8) + b"\1\x51" + bytes(8) + bytes([len(script)]) + script
    raw = b"\2\0\0\0\1" + bytes(36) + b"\0\xff\xff\xff\xff\2" + outputs + bytes(4)
    suffix = write_timestamp_suffix(batch=batch, raw_tx=raw, height=HEIGHT, tx_index=0, block_path=())
    proofs = write_piece_timestamps(packed, suffix=suffix)
    root = read_timestamp(proofs[0]).attestations[0].message
    assert root is not None
    return proofs, GivenHeaders({HEIGHT: mine_block(root)})


def mine_block(root: bytes) -> Header:
    for nonce in range(256):
        header = parse_header(bytes(36) + root + bytes(4) + bytes.fromhex("ffff7f20") + bytes([nonce, 0, 0, 0]))
        if header.block_hash[31] < 0x7F:
            return header
    raise AssertionError("no nonce fits")


PROOFS, HEADERS = make_batch(21)


def verify_wholly(data: bytes) -> int:
    return get_attested_block(read_timestamp(data), headers=HEADERS)[0]


def test_proofs_of_one_batch_are_verified_with_one_whole_verification_for_each_inner_subtree():
    headers = CountingHeaders(HEADERS)
    checker = TimestampChecker(headers)

    assert [checker.check(proof) for proof in PROOFS] == [HEIGHT] * 21

    # The last of 21 leaves has a shorter way than the first 20, which all meet in one node.
    assert headers.asked == 1


def test_the_order_of_the_proofs_does_not_matter():
    checker = TimestampChecker(HEADERS)

    assert {checker.check(proof) for proof in (*PROOFS[::-1], *PROOFS[::3], *PROOFS)} == {HEIGHT}


def test_a_longer_way_to_a_known_ending_is_verified_wholly():
    headers = CountingHeaders(HEADERS)
    checker = TimestampChecker(headers)
    # The last leaf comes to the root after one step, all others after five.
    checker.check(PROOFS[20])

    checker.check(PROOFS[0])

    assert headers.asked == 2


def test_forgetting_endings_changes_no_result(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundles, "ENDINGS_BYTES_MAX", 4_000)
    checker = TimestampChecker(HEADERS)

    assert [checker.check(proof) for proof in PROOFS] == [HEIGHT] * 21
    with pytest.raises(BlockPathError):
        checker.check(PROOFS[3][:40] + b"\0" + PROOFS[3][41:])


def make_long(number: int, fill_bytes: int) -> tuple[bytes, Header]:
    """Return an .ots of our form whose way goes through sixty steps and then much of anybody's, and its block."""
    steps = (b"\xf0\x20" + hashlib.sha256(b"%d" % number).digest() + b"\x08") * 60
    filler = (b"\xf1\xa0\x1f" + bytes(4000) + b"\x08") * (fill_bytes // 4004)
    attestation = b"\0\x05\x88\x96\x0d\x73\xd7\x19\x01\x02" + bytes([0x80 | number & 0x7F, number >> 7])
    proof = PROOFS[0][:192] + steps + filler + attestation
    root = read_timestamp(proof).attestations[0].message
    assert root is not None
    return proof, mine_block(root)


@pytest.mark.parametrize(("fill_bytes", "asked"), [(5_000, 1), (100_000, 2)])
def test_a_long_proof_is_verified_wholly_each_time(fill_bytes: int, asked: int):
    proof, header = make_long(300, fill_bytes)
    headers = CountingHeaders(GivenHeaders({300: header}))
    checker = TimestampChecker(headers)

    assert [checker.check(proof), checker.check(proof)] == [300, 300]

    assert headers.asked == asked


def test_what_is_remembered_takes_no_more_memory_than_it_may():
    made = [make_long(number, 5_000) for number in range(300, 480)]
    checker = TimestampChecker(GivenHeaders({300 + place: header for place, (_, header) in enumerate(made)}))
    remembered_bytes = sum((len(proof) - 192 - 60 * 35) * 60 for proof, _ in made)
    assert remembered_bytes > 1.2 * ENDINGS_BYTES_MAX
    tracemalloc.start()
    try:
        for proof, _ in made:
            checker.check(proof)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert 0.5 * ENDINGS_BYTES_MAX < peak_bytes < 1.1 * ENDINGS_BYTES_MAX


def test_an_endings_other_memory_is_counted():
    proofs, headers = make_batch(3000)
    checker = TimestampChecker(headers)
    tracemalloc.start()
    try:
        for proof in proofs:
            checker.check(proof)
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert 3000 * 200 < held_bytes < checker.held_bytes


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_changed_proof_gets_the_whole_verifiers_result(data):
    checker = TimestampChecker(HEADERS)
    for proof in PROOFS:
        checker.check(proof)
    changed = bytearray(data.draw(st.sampled_from(PROOFS)))
    for _ in range(data.draw(st.integers(0, 2))):
        start = data.draw(st.integers(0, len(changed)))
        changed[start : start + data.draw(st.integers(0, 70))] = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from([b"\xf0\x20" + bytes(32) + b"\x08", PROOFS[1][192:]]))
        )

    try:
        expected: int | type[ProofError] = verify_wholly(bytes(changed))
    except ProofError as error:
        expected = type(error)
    try:
        found: int | type[ProofError] = checker.check(bytes(changed))
    except ProofError as error:
        found = type(error)

    assert found == expected


@pytest.mark.parametrize("more", [0, 1, 2])
def test_no_way_is_longer_than_the_whole_verifier_allows(more: int):
    checker = TimestampChecker(HEADERS)
    for proof in PROOFS:
        checker.check(proof)
    steps = (b"\xf0\x20" + bytes(32) + b"\x08") * (110 + 6 * more)
    way = PROOFS[0][:192] + steps + PROOFS[0][192:]

    with pytest.raises(ProofError) as expected:
        verify_wholly(way)
    with pytest.raises(ProofError) as found:
        checker.check(way)

    assert type(found.value) is type(expected.value)


def test_a_proof_with_two_attestations_is_verified_wholly_each_time():
    headers = CountingHeaders(HEADERS)
    checker = TimestampChecker(headers)
    end = PROOFS[0].rindex(b"\0\x05\x88\x96\x0d")
    pending = b"\0\x83\xdf\xe3\x0d\x2e\xf9\x0c\x8e\x02\x01a"
    forked = PROOFS[0][:end] + b"\xff" + pending + PROOFS[0][end:]

    assert [checker.check(forked), checker.check(forked)] == [HEIGHT, HEIGHT]

    assert headers.asked == 2


@pytest.mark.parametrize(
    "proof",
    [
        PROOFS[0].replace(PROOFS[0][65:67], b"\xf0\x12", 1),
        PROOFS[0][:192] + b"\xf2" * 34 + b"\x08" + PROOFS[0][192:],
    ],
)
def test_a_proof_of_another_shape_is_verified_wholly(proof: bytes):
    with pytest.raises(BlockPathError):
        TimestampChecker(HEADERS).check(proof)


def test_a_bundle_of_both_forms_says_what_was_proved():
    vector = load("proof", "valid-opened-details")
    bundle = [("a.ots", bytes.fromhex(load("timestamp", "valid")["proof_hex"])), ("a.json", vector["proof"].encode())]

    claims = audit_bundle(bundle, headers=get_headers(vector))

    assert (claims.proofs, claims.timestamps, claims.documents) == (2, 1, 1)
    assert (claims.first_height, claims.last_height) == (117, 117)


def test_progress_is_told_in_proofs():
    told: list[int] = []

    audit_bundle([("a", proof) for proof in PROOFS[:3]], headers=HEADERS, note_progress=told.append)

    assert told == [1, 2, 3]


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("changed", PROOFS[2][:50] + b"\0" + PROOFS[2][51:], BlockPathError),
        ("text", b"a file of Bob's", UnknownFormatError),
        ("document", load("proof", "index")["proof"].encode(), BatchPathError),
        ("elsewhere", load("proof", "valid-leaf-0-of-8")["proof"].encode(), HeaderUnavailableError),
    ],
)
def test_the_proof_that_fails_is_named(name: str, data: bytes, cause: type[ProofError]):
    with pytest.raises(cause) as caught:
        audit_bundle([("good", PROOFS[0]), (name, data)], headers=HEADERS)

    assert caught.value.file == name


def test_a_bundle_of_nothing_is_undecided():
    with pytest.raises(UndecidedError):
        audit_bundle([], headers=HEADERS)


def test_an_archive_and_a_folder_are_read_alike(tmp_path: Path):
    folder = tmp_path / "proofs"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "proofs.zip", "w") as archive:
        for number, proof in enumerate(PROOFS):
            archive.writestr(f"{number:02}.ots", proof)
            (folder / f"{number:02}.ots").write_bytes(proof)

    assert list(read_bundle(folder)) == list(read_bundle(tmp_path / "proofs.zip"))
    assert audit_bundle(read_bundle(folder), headers=HEADERS).proofs == 21


def test_a_folder_with_a_file_over_the_limit_or_a_folder_in_it_cannot_be_read(tmp_path: Path):
    (tmp_path / "large").write_bytes(bytes(1024 * 1024 + 1))
    with pytest.raises(ProofTooLargeError):
        list(read_bundle(tmp_path))
    (tmp_path / "large").unlink()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError):
        list(read_bundle(tmp_path))


def test_a_document_is_verified_for_its_own_record():
    vector = load("proof", "another-file")

    assert vector["expect"] == SubjectMismatchError.__name__
    claims = audit_bundle([("a", vector["proof"].encode())], headers=get_headers(vector))
    assert claims.documents == 1
