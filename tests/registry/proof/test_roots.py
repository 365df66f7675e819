from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.roots import BLOCK_BYTES, Measured, measure_file
from storage.digest import digest_stream
from tests.registry.proof.vectors import list_names, load


@pytest.mark.parametrize("name", list_names("digest"))
def test_measures_every_vector(name: str):
    vector = load("digest", name)
    data = (bytes(range(251)) * (vector["length"] // 251 + 1))[: vector["length"]]

    measured = measure_file(BytesIO(data))

    assert measured.sha256.hex() == vector["sha256"]
    assert (measured.length, measured.root.hex()) == (vector["length"], vector["root"])


@given(st.integers(0, 40), st.integers(1, BLOCK_BYTES))
def test_agrees_with_the_digest_that_storage_computes(blocks: int, rest: int):
    data = b"".join(bytes([n]) * BLOCK_BYTES for n in range(blocks)) + bytes(rest)

    measured, digest = measure_file(BytesIO(data)), digest_stream(BytesIO(data))

    assert measured == Measured(sha256=digest.sha256, length=digest.length, root=digest.root)


def test_an_empty_file_has_no_root():
    measured = measure_file(BytesIO())

    assert (measured.length, measured.root) == (0, bytes(32))
