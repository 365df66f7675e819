from io import BytesIO

import pytest

from registry.proof import errors
from registry.proof.anchors import Registry, read_registry
from registry.proof.documents import read_document
from registry.proof.errors import (
    AnchorChainError,
    BlockPathError,
    HeaderUnavailableError,
    InvalidProofError,
    ProofError,
    RegistryNetworkError,
    SubjectMismatchError,
    UndecidedError,
)
from registry.proof.headers import parse_header
from registry.proof.networks import MAIN, REGTEST
from registry.proof.roots import measure_file
from registry.proof.sources import GivenHeaders
from registry.proof.timestamps import BITCOIN, Attestation, Timestamp
from registry.proof.verify import (
    check_registry,
    check_subject,
    find_lower_bound,
    get_attested_block,
    verify_canonical,
    verify_timestamp,
)
from tests.registry.proof.vectors import get_headers, list_names, load, prove_document, prove_timestamp


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in ("proof", "anchors") for name in list_names(kind)])
def test_every_proof_document_gets_the_result_that_its_vector_names(kind: str, name: str):
    vector = load(kind, name)
    data = vector["proof"].encode()
    if vector["expect"] == "valid":
        assert prove_document(vector, data).digest == vector["sha256"]
    else:
        with pytest.raises(ProofError) as caught:
            prove_document(vector, data)
        assert type(caught.value).__name__ == vector["expect"]


@pytest.mark.parametrize("name", list_names("timestamp"))
def test_every_timestamp_gets_the_result_that_its_vector_names(name: str):
    vector = load("timestamp", name)
    data = bytes.fromhex(vector["proof_hex"])
    if vector["expect"] == "valid":
        assert prove_timestamp(vector, data).digest == vector["sha256"]
    else:
        with pytest.raises(ProofError) as caught:
            prove_timestamp(vector, data)
        assert type(caught.value).__name__ == vector["expect"]


def test_every_cause_that_can_be_written_down_has_a_vector():
    kinds = ("proof", "anchors", "timestamp", "export")
    expected = {load(kind, name)["expect"] for kind in kinds for name in list_names(kind)}
    causes = {
        name
        for name, cause in vars(errors).items()
        if isinstance(cause, type) and issubclass(cause, InvalidProofError) and cause.step > 0
    }
    assert causes <= expected


@pytest.mark.parametrize("flip", [0x01, 0x10, 0x20, 0x80, 0xFF])
def test_no_changed_byte_of_a_proof_document_proves_anything_else(flip: int):
    vector = load("proof", "valid-opened-details")
    original = vector["proof"].encode()
    claims = prove_document(vector, original)
    refused = 0
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= flip
        try:
            assert prove_document(vector, bytes(changed)) == claims, position
        except (InvalidProofError, UndecidedError):
            refused += 1
    assert refused > len(original) * 9 // 10


@pytest.mark.parametrize("flip", [0x01, 0x02, 0x08, 0x80, 0xFF, 0x6F])
def test_no_changed_byte_of_a_timestamp_proves_anything_else(flip: int):
    vector = load("timestamp", "valid")
    original = bytes.fromhex(vector["proof_hex"])
    claims = prove_timestamp(vector, original)
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= flip
        try:
            assert prove_timestamp(vector, bytes(changed)) == claims, position
        except (InvalidProofError, UndecidedError):
            continue


def test_no_truncated_proof_document_is_accepted():
    vector = load("proof", "valid-opened-details")
    original = vector["proof"].encode().rstrip()
    for length in range(len(original)):
        with pytest.raises(InvalidProofError):
            prove_document(vector, original[:length])


def test_no_truncated_timestamp_is_accepted():
    vector = load("timestamp", "valid")
    original = bytes.fromhex(vector["proof_hex"])
    for length in range(len(original)):
        with pytest.raises(InvalidProofError):
            prove_timestamp(vector, original[:length])


def test_no_changed_byte_of_an_anchors_file_makes_another_registry_canonical():
    vector = load("anchors", "valid")
    original = vector["anchors"].encode()
    claims = prove_document(vector, vector["proof"].encode())
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= 1
        try:
            vector["anchors"] = changed.decode("latin-1")
            assert prove_document(vector, vector["proof"].encode()) == claims, position
        except (InvalidProofError, UndecidedError):
            continue


def test_a_measured_file_must_have_the_records_length_and_root():
    record = read_document(load("proof", "valid-closed-details")["proof"].encode()).record
    content = (bytes(range(251)) * 5)[:1101]
    measured = measure_file(BytesIO(content))

    check_subject(record, measured)

    for other in (measure_file(BytesIO(content + b"0")), type(measured)(measured.sha256, 1100, measured.root)):
        with pytest.raises(SubjectMismatchError):
            check_subject(record, other)


def test_a_bare_digest_asks_for_nothing_but_the_digest():
    record = read_document(load("proof", "valid-leaf-0-of-8")["proof"].encode()).record
    assert record.kind == 0

    check_subject(record, measure_file(BytesIO((bytes(range(251)) * 5)[:1200])))


def test_the_lower_bound_is_the_cited_block_or_undecided():
    vector = load("proof", "valid-opened-details")
    document = read_document(vector["proof"].encode())
    recent = parse_header(bytes.fromhex(vector["headers"]["17"]))

    assert find_lower_bound(document, headers=get_headers(vector)) == 17
    assert find_lower_bound(document, headers=GivenHeaders({})) is None
    assert find_lower_bound(document, headers=GivenHeaders({117: recent})) is None


def test_a_registry_of_another_network_is_refused_where_the_first_header_is_known():
    vector = load("anchors", "valid")
    stream = BytesIO(vector["anchors"].encode())
    document = read_document(vector["proof"].encode())
    header = parse_header(bytes.fromhex(vector["headers"]["30"]))
    registry = read_registry(stream)

    with pytest.raises(AnchorChainError, match="another network"):
        verify_canonical(document, registry=registry, anchors=stream, headers=GivenHeaders({0: header}))


def _make_attestation(message: bytes, height: int | None) -> Attestation:
    return Attestation(message=message, tag=b"unheard " if height is None else BITCOIN, payload=b"", height=height)


def test_one_attestation_that_holds_is_enough_and_the_lowest_block_counts():
    vector = load("proof", "valid-opened-details")
    headers = get_headers(vector)
    good = [_make_attestation(headers.get_header(height).merkle_root, height) for height in (117, 17)]
    bad = [_make_attestation(bytes(32), 117), _make_attestation(bytes(32), 118), _make_attestation(bytes(32), None)]
    timestamp = Timestamp(hash_name="sha256", digest=bytes(32), attestations=(*bad, *good))

    verify_timestamp(timestamp, digest=bytes(32), headers=headers)

    assert get_attested_block(timestamp, headers=headers)[0] == 17


def test_a_timestamp_of_the_same_digest_by_another_hash_is_refused():
    timestamp = Timestamp(hash_name="keccak-256", digest=bytes(32), attestations=())

    with pytest.raises(SubjectMismatchError, match="keccak-256"):
        verify_timestamp(timestamp, digest=bytes(32), headers=GivenHeaders({}))


def test_an_attestation_that_fails_weighs_more_than_one_that_cannot_be_checked():
    headers = get_headers(load("proof", "valid-opened-details"))
    attestations = (
        _make_attestation(bytes(32), None),
        _make_attestation(bytes(32), 118),
        _make_attestation(bytes(32), 117),
    )
    timestamp = Timestamp(hash_name="sha256", digest=bytes(32), attestations=attestations)

    with pytest.raises(BlockPathError):
        verify_timestamp(timestamp, digest=bytes(32), headers=headers)
    with pytest.raises(HeaderUnavailableError, match="118"):
        get_attested_block(Timestamp("sha256", bytes(32), attestations[:2]), headers=headers)
    with pytest.raises(UndecidedError, match="unknown kind"):
        get_attested_block(Timestamp("sha256", bytes(32), attestations[:1]), headers=headers)


@pytest.mark.parametrize(
    ("genesis_hash", "cause"), [(REGTEST.genesis_hash, RegistryNetworkError), (bytes(32), AnchorChainError)]
)
def test_a_registry_is_of_the_network_that_is_asked_about_also_if_no_source_has_its_first_header(
    genesis_hash: bytes, cause: type[ProofError]
):
    """Headers from a checkpoint on show no genesis block, and a registry may name any."""
    registry, no_headers = Registry(genesis_block_hash=genesis_hash, first_outpoint=bytes(36)), GivenHeaders({})

    check_registry(registry, headers=no_headers, known_outpoint=bytes(36), network=None)
    with pytest.raises(cause):
        check_registry(registry, headers=no_headers, known_outpoint=bytes(36), network=MAIN)
