"""Leaves that are made many at a time, against the format's own functions."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof import leaves as slow
from registry.rules.bare_digests import make_bare_leaves

DETAILS = {"registrar": "cadastre.example", "registered_at": "2026-03-01T12:00:00Z", "uploader": "é"}


@given(st.integers(0, 9), st.binary(max_size=4))
def test_each_leaf_is_that_of_the_format(count: int, seed: bytes):
    digests = [hashlib.sha256(seed + bytes([number])).digest() for number in range(count)]
    salts = [hashlib.sha256(digest).digest() for digest in digests]

    made = make_bare_leaves(digests=b"".join(digests), salts=b"".join(salts), details=DETAILS)

    hashes = [slow.details_hash(salt=salt, details=DETAILS) for salt in salts]
    records = [
        slow.Record(0, digest, 0, bytes(32), bytes(32), details_hash)
        for digest, details_hash in zip(digests, hashes, strict=True)
    ]
    assert made.count == count
    assert made.details_hashes == b"".join(hashes)
    assert made.leaves == b"".join(slow.leaf_hash(record) for record in records)


@pytest.mark.parametrize(("digests", "salts"), [(bytes(32), b""), (bytes(33), bytes(33)), (bytes(64), bytes(32))])
def test_refuses_what_does_not_fit_together(digests: bytes, salts: bytes):
    with pytest.raises(ValueError, match="32 bytes"):
        make_bare_leaves(digests=digests, salts=salts, details=DETAILS)
