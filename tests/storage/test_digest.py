import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.digest import BLOCK_BYTES, BlobDigest, Digest, digest_stream
from storage.errors import EmptyBlobError
from tests.registry.proof.vectors import list_names, load


def slow_root(data: bytes) -> bytes:
    """BEP 52, step by step."""
    level = [hashlib.sha256(data[at : at + BLOCK_BYTES]).digest() for at in range(0, len(data), BLOCK_BYTES)]
    while len(level) & (len(level) - 1):
        level.append(bytes(32))
    while len(level) > 1:
        level = [hashlib.sha256(level[at] + level[at + 1]).digest() for at in range(0, len(level), 2)]
    return level[0]


@pytest.mark.parametrize("name", list_names("digest"))
def test_digests_every_vector(name: str):
    vector = load("digest", name)
    data = (bytes(range(251)) * (vector["length"] // 251 + 1))[: vector["length"]]

    digest = digest_stream(BytesIO(data))

    assert digest == Digest(bytes.fromhex(vector["sha256"]), vector["length"], bytes.fromhex(vector["root"]))


@pytest.mark.parametrize("blocks", range(20))
@pytest.mark.parametrize("rest", [1, BLOCK_BYTES - 1, BLOCK_BYTES])
def test_the_root_is_the_slow_references_for_every_number_of_blocks(blocks: int, rest: int):
    data = b"".join(bytes([n]) * BLOCK_BYTES for n in range(blocks)) + bytes(rest)

    assert digest_stream(BytesIO(data)).root == slow_root(data)


@given(st.lists(st.integers(0, 3 * BLOCK_BYTES), max_size=6), st.integers(1, 255))
def test_the_pieces_in_which_a_blob_arrives_do_not_matter(lengths: list[int], seed: int):
    pieces = [bytes([(seed + n) % 256]) * length for n, length in enumerate([*lengths, 1])]
    digest = BlobDigest()
    for piece in pieces:
        digest.update(piece)

    assert digest.finish() == digest_stream(BytesIO(b"".join(pieces)))


def test_finishing_twice_or_going_on_afterwards_is_harmless():
    digest = BlobDigest()
    digest.update(b"a" * 20_000)

    assert digest.finish() == digest.finish()

    digest.update(b"a" * 20_000)
    assert digest.finish() == digest_stream(BytesIO(b"a" * 40_000))


def test_one_block_is_its_own_root():
    digest = digest_stream(BytesIO(b"short"))

    assert digest.root == digest.sha256 == hashlib.sha256(b"short").digest()


def test_refuses_an_empty_blob():
    with pytest.raises(EmptyBlobError, match="at least one byte"):
        digest_stream(BytesIO())
