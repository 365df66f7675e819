import hashlib
from io import BytesIO

import pytest
from bitcoin.core.contrib.ripemd160 import ripemd160
from Cryptodome.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st

from registry.proof.rare_hashes import BlockHash, Keccak256, Ripemd160
from registry.proof.timestamps import RARE_HASHES, start_hash


def compute(kind: type[BlockHash], data: bytes) -> bytes:
    state = kind()
    state.update(data)
    return state.digest()


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        # The paper's own table.
        (b"", "9c1185a5c5e9fc54612808977ee8f548b2258d31"),
        (b"a", "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe"),
        (b"abc", "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"),
        (b"message digest", "5d0689ef49d2fae572b881b123a85ffa21595f36"),
        (b"1234567890" * 8, "9b752e45573d4b39f4dbd3323cab82bf63326bfb"),
    ],
)
def test_ripemd_has_its_papers_values(message: bytes, digest: str):
    assert compute(Ripemd160, message).hex() == digest


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
    ],
)
def test_keccak_has_its_known_values_and_is_not_sha3(message: bytes, digest: str):
    assert compute(Keccak256, message).hex() == digest != hashlib.sha3_256(message).hexdigest()


@pytest.mark.parametrize("length", [*range(54, 66), *range(118, 140), 271, 272, 273, 4096])
def test_padding_is_right_around_the_ends_of_blocks(length: int):
    data = bytes(n % 251 for n in range(length))

    assert compute(Ripemd160, data) == ripemd160(data)
    assert compute(Keccak256, data) == keccak.new(digest_bits=256, data=data).digest()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_any_message_in_any_pieces_is_hashed_as_others_hash_it(pieces: list[bytes]):
    whole = b"".join(pieces)
    states: list[BlockHash] = [Ripemd160(), Keccak256()]
    for state in states:
        for piece in pieces:
            state.update(piece)

    assert [state.digest() for state in states] == [
        ripemd160(whole),
        keccak.new(digest_bits=256, data=whole).digest(),
    ]


@pytest.mark.parametrize(("name", "kind"), RARE_HASHES.items())
def test_a_file_is_hashed_as_hashlib_hashes_files(name: str, kind: type[BlockHash]):
    data = bytes(100_000)

    assert hashlib.file_digest(BytesIO(data), lambda: start_hash(name)).digest() == compute(kind, data)
