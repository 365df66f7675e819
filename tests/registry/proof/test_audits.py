import importlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.proof.anchors import parse_outpoint
from registry.proof.audits import audit_export
from registry.proof.errors import ExportIncompleteError, InvalidProofError, ProofError, UnexpectedFileError, UsageError
from tests.registry.proof.exports import audit_vector, write_export
from tests.registry.proof.vectors import FOLDER, get_headers, list_names, load


def test_the_vectors_are_what_their_generator_writes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    generator = importlib.import_module("generate_exports")

    expected = {name: generator.format_vector(vector) for name, vector in generator.list_vectors().items()}

    stored = {f"export/{path.stem}": path.read_text(encoding="utf-8") for path in (FOLDER / "export").iterdir()}
    assert stored == expected


@pytest.mark.parametrize("name", list_names("export"))
def test_every_export_gets_the_result_that_its_vector_names(name: str, tmp_path: Path):
    vector = load("export", name)
    if vector["expect"] == "valid":
        assert audit_vector(vector, tmp_path).records == 14
        return
    with pytest.raises(ProofError) as caught:
        audit_vector(vector, tmp_path)
    error = caught.value
    step = error.step if isinstance(error, InvalidProofError) else None
    assert (type(error).__name__, step, error.batch) == (vector["expect"], vector["step"], vector["batch"])


def test_every_step_of_an_audit_has_a_vector_that_fails_there():
    # 1 and 2 are about a file and its details at hand, which a whole register has not.
    assert {load("export", name)["step"] for name in list_names("export")} == {None, 0, *range(3, 13)}


def test_an_audit_says_how_far_the_register_is_complete(tmp_path: Path):
    vector = load("export", "known-registry")

    claims = audit_vector(vector, tmp_path)

    assert (claims.batches, claims.records, claims.bounded_batches) == (3, 14, 2)
    assert (claims.registry, claims.registry_checked, claims.network) == (vector["registry"], True, "regtest")
    assert (claims.last_height, claims.last_time) == (130, "2026-01-01T21:40:00Z")


def test_without_a_known_outpoint_the_registry_is_not_checked(tmp_path: Path):
    claims = audit_vector(load("export", "valid"), tmp_path)

    assert (claims.registry, claims.registry_checked) == (load("export", "known-registry")["registry"], False)


def test_progress_is_told_in_bytes_of_leaves(tmp_path: Path):
    vector, told = load("export", "valid"), []

    audit_export(
        write_export(vector, tmp_path),
        headers=get_headers(vector),
        note_progress=lambda done, total: told.append((done, total)),
    )

    assert told == [(137, 14 * 137), (6 * 137, 14 * 137), (14 * 137, 14 * 137)]


def test_a_repeated_leaf_is_reported_with_both_its_places(tmp_path: Path):
    with pytest.raises(ProofError, match="stands in batch 0 at position 1 and in batch 1 at position 1"):
        audit_vector(load("export", "repeated"), tmp_path)


def test_a_folder_without_batches_lacks_them(tmp_path: Path):
    vector = load("export", "valid")
    shutil.rmtree(write_export(vector, tmp_path) / "batches")

    with pytest.raises(ExportIncompleteError, match="there is no batches"):
        audit_export(tmp_path, headers=get_headers(vector))


def test_a_folder_in_the_place_of_a_batch_is_unexpected(tmp_path: Path):
    vector = load("export", "valid")
    (write_export(vector, tmp_path) / "batches" / "0000000007.leaves").mkdir()

    with pytest.raises(UnexpectedFileError):
        audit_export(tmp_path, headers=get_headers(vector))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_changed_byte_proves_anything_else(tmp_path_factory: pytest.TempPathFactory, data):
    vector = load("export", "valid")
    folder = write_export(vector, tmp_path_factory.getbasetemp() / "changed")
    expected = audit_export(folder, headers=get_headers(vector))
    name = data.draw(st.sampled_from(sorted(vector["files"])))
    content = bytearray((folder / name).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != content[at]))
    content[at] = value
    (folder / name).write_bytes(content)

    try:
        claims = audit_export(folder, headers=get_headers(vector))
    except ProofError:
        return
    # White space is free.
    assert not name.endswith(".leaves")
    assert claims == expected


@pytest.mark.parametrize("name", ["register.json", "batches"])
def test_what_the_system_does_not_let_be_read_is_wrong_usage(tmp_path: Path, name: str):
    vector = load("export", "valid")
    path = write_export(vector, tmp_path) / name
    if path.is_dir():
        shutil.rmtree(path)
        path.write_bytes(b"")
    else:
        path.unlink()
        path.mkdir()

    with pytest.raises(UsageError):
        audit_export(tmp_path, headers=get_headers(vector), known_outpoint=parse_outpoint("00" * 32 + ":0"))
