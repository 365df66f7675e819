import os
from pathlib import Path

import pytest
from bitcoin.core import CBlockHeader

from registry.proof.errors import MalformedHeaderError, ProofOfWorkError
from registry.proof.headers import check_proof_of_work, display_hash, parse_display_hash, parse_header

VECTORS = os.environ.get("BITCOIN_VECTORS")
# The first header of Bitcoin's main chain, which every node carries.
GENESIS = CBlockHeader(
    1,
    bytes(32),
    bytes.fromhex("3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"),
    1231006505,
    0x1D00FFFF,
    2083236893,
)


def test_parses_the_first_header_of_the_main_chain():
    header = parse_header(GENESIS.serialize())

    check_proof_of_work(header)

    assert display_hash(header.block_hash) == "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"
    assert parse_display_hash(display_hash(header.block_hash)) == header.block_hash
    assert (header.time, header.previous_hash) == (1231006505, bytes(32))


@pytest.mark.skipif(not VECTORS, reason="BITCOIN_VECTORS names no folder of real Bitcoin data")
def test_parses_a_real_header():
    header = parse_header((Path(str(VECTORS)) / "702861.header").read_bytes())

    check_proof_of_work(header)

    assert display_hash(header.block_hash) == "000000000000000000000c835b2adcaedc20fdf6ee440009c249452c726dafae"


@pytest.mark.parametrize("length", [0, 79, 81])
def test_refuses_a_header_of_another_length(length: int):
    with pytest.raises(MalformedHeaderError):
        parse_header(bytes(length))


@pytest.mark.parametrize("bits", [0, 0x1D80FFFF, 0x2200FFFF, 0xFF7FFFFF, 0x01000001, 0x1C00FFFF, 0x03000001])
def test_refuses_bits_that_name_no_target_or_one_that_is_missed(bits: int):
    with pytest.raises(ProofOfWorkError):
        check_proof_of_work(parse_header(GENESIS.serialize()[:72] + bits.to_bytes(4, "little") + bytes(4)))


@pytest.mark.parametrize("text", ["", "0" * 63, "G" * 64, "A" * 64, "0" * 65, "0" * 64 + "\n"])
def test_refuses_a_hash_that_is_written_otherwise(text: str):
    with pytest.raises(MalformedHeaderError):
        parse_display_hash(text)
