import dataclasses
from typing import Any

import pytest

from registry.proof.errors import InvalidRecordError
from registry.proof.jcs import canonicalise
from registry.proof.leaves import ZERO_HASH, Record, details_hash, leaf_hash, seal_hash
from tests.registry.proof.vectors import list_names, load

UPLOAD = Record(kind=1, sha256=b"a" * 32, length=1, root=b"b" * 32, seal=ZERO_HASH, details_hash=ZERO_HASH)


@pytest.mark.parametrize("name", list_names("leaf"))
def test_computes_the_leaf_of_every_vector(name: str):
    vector = load("leaf", name)
    fields: dict[str, Any] = {
        key: bytes.fromhex(value) if isinstance(value, str) else value for key, value in vector["record"].items()
    }

    assert leaf_hash(Record(**fields)).hex() == vector["leaf"]


def test_computes_the_details_hash_of_the_vector():
    vector = load("details", "sorted-and-escaped")

    assert canonicalise(vector["details"]).decode() == vector["canonical"]
    assert details_hash(salt=bytes.fromhex(vector["salt"]), details=vector["details"]).hex() == vector["details_hash"]


def test_a_seal_depends_on_both_of_its_parts():
    seals = {
        seal_hash(seal_key=key, manifest_sha256=manifest)
        for key in (b"k" * 32, b"l" * 32)
        for manifest in (b"m" * 32, b"n" * 32)
    }

    assert len(seals) == 4


@pytest.mark.parametrize(
    "change",
    [
        {"kind": 256},
        {"kind": -1},
        {"length": 1 << 64},
        {"length": -1},
        {"length": 0},
        {"sha256": b""},
        {"root": b"b" * 31},
        {"seal": b"b" * 33},
        {"details_hash": b""},
        {"kind": 0},
        {"kind": 0, "length": 0},
        {"kind": 0, "length": 0, "root": ZERO_HASH, "seal": b"s" * 32},
    ],
)
def test_refuses_a_record_that_breaks_a_rule(change: dict[str, Any]):
    with pytest.raises(InvalidRecordError):
        dataclasses.replace(UPLOAD, **change)


def test_refuses_parts_of_another_length():
    with pytest.raises(InvalidRecordError):
        seal_hash(seal_key=b"k", manifest_sha256=b"m" * 32)
    with pytest.raises(InvalidRecordError):
        seal_hash(seal_key=b"k" * 32, manifest_sha256=b"m")
    with pytest.raises(InvalidRecordError):
        details_hash(salt=b"", details={})
