"""Other people's proofs in the main network's blocks. BITCOIN_VECTORS names the folder that has them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from registry.proof.__main__ import main
from registry.proof.errors import HeaderUnavailableError, InvalidProofError, UndecidedError
from registry.proof.headers import parse_header
from registry.proof.sources import GivenHeaders
from registry.proof.timestamps import read_timestamp
from registry.proof.verify import get_attested_block, verify_timestamp

FOLDER = Path(os.environ.get("BITCOIN_VECTORS", "no folder"))
HEIGHT = 702861

pytestmark = pytest.mark.skipif(
    "BITCOIN_VECTORS" not in os.environ, reason="BITCOIN_VECTORS names no folder of real Bitcoin data"
)


def read_cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((FOLDER / f"{HEIGHT}.json").read_text())
    return cases


def read_headers() -> GivenHeaders:
    return GivenHeaders({HEIGHT: parse_header((FOLDER / f"{HEIGHT}.header").read_bytes())})


def test_every_timestamp_is_valid_by_the_command(capsys: pytest.CaptureFixture[str]):
    header = (FOLDER / f"{HEIGHT}.header").read_bytes().hex()
    cases = read_cases()

    for case in cases:
        path = str(FOLDER / case["file"])
        assert main(["verify", "--digest", case["commitment"], path, "--header", f"{HEIGHT}:{header}"]) == 0

    printed = capsys.readouterr().out
    assert len(cases) == printed.count(f"valid: existed before block {HEIGHT}, whose miner dates it 2021-09-30") > 0
    assert printed.count(f"  block     {cases[0]['block']}\n") == len(cases)


def test_no_changed_byte_of_a_real_timestamp_proves_anything():
    headers = read_headers()
    for case in read_cases():
        original = (FOLDER / case["file"]).read_bytes()
        digest = bytes.fromhex(case["commitment"])
        for position in range(len(original)):
            changed = bytearray(original)
            changed[position] ^= 1
            with pytest.raises((InvalidProofError, UndecidedError)):
                verify_timestamp(read_timestamp(bytes(changed)), digest=digest, headers=headers)


def test_no_changed_byte_of_a_real_header_is_taken():
    raw = (FOLDER / f"{HEIGHT}.header").read_bytes()
    case = read_cases()[0]
    timestamp = read_timestamp((FOLDER / case["file"]).read_bytes())
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(InvalidProofError):
            get_attested_block(timestamp, headers=GivenHeaders({HEIGHT: parse_header(bytes(changed))}))


def test_the_stock_clients_example_leads_to_its_blocks_root_and_needs_its_header(capsys: pytest.CaptureFixture[str]):
    timestamp = read_timestamp((FOLDER / "hello-world.txt.ots").read_bytes())
    roots = {a.height: a.message.hex() for a in timestamp.attestations if a.height is not None}

    assert roots == {358391: "007ee445d23ad061af4a36b809501fab1ac4f2d7e7a739817dd0cbb7ec661b8a"}
    with pytest.raises(HeaderUnavailableError, match="358391"):
        get_attested_block(timestamp, headers=read_headers())
    header = (FOLDER / f"{HEIGHT}.header").read_bytes().hex()
    paths = [str(FOLDER / "hello-world.txt"), str(FOLDER / "hello-world.txt.ots")]
    assert main(["verify", *paths, "--header", f"358391:{header}"]) == 1
    assert "  bitcoin   block 358391: invalid" in capsys.readouterr().out
