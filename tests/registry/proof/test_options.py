"""The sources of headers as they are named on the command line, through the command itself."""

import argparse
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.proof.__main__ import main
from registry.proof.headers import display_hash
from registry.proof.options import add_source_options, list_source_options
from registry.proof.timestamps import BITCOIN, ETHEREUM, LITECOIN, MAGIC, PENDING
from tests.registry.proof.mining import get_hash, mine_regtest
from tests.registry.proof.nodes import Node, serve
from tests.registry.proof.servers import Explorer, serve_answers

CONTENT = b"Bob's file"
ROOT = hashlib.sha256(CONTENT).digest()
HEIGHT = 5
CALENDAR = b"https://calendar.example/"
OTHERS = [
    b"\x00" + PENDING + bytes([len(CALENDAR) + 1, len(CALENDAR)]) + CALENDAR,
    b"\x00" + LITECOIN + b"\x02\xe8\x07",
    b"\x00" + ETHEREUM + b"\x01\x09",
    b"\x00unheard \x03\x01\x02\x03",
]
DATA = mine_regtest(12, roots={HEIGHT: ROOT})
RAW = {height: DATA[height * 80 : height * 80 + 80] for height in range(12)}
TIP_HASH = display_hash(get_hash(RAW[11]))
Verify = Callable[..., tuple[int, Any]]


def write_forked(attestations: list[bytes]) -> bytes:
    return MAGIC + b"\x01\x08" + ROOT + b"\xff".join([b"", *attestations[:-1]]) + attestations[-1]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Verify Bob's file with its .ots; the arguments are the sources. Returns the exit code and what was printed."""
    (tmp_path / "file").write_bytes(CONTENT)
    bitcoin = b"\x00" + BITCOIN + bytes([1, HEIGHT])
    (tmp_path / "file.ots").write_bytes(
        MAGIC + b"\x01\x08" + ROOT + b"".join(b"\xff" + way for way in OTHERS) + bitcoin
    )
    (tmp_path / "none.ots").write_bytes(
        MAGIC + b"\x01\x08" + ROOT + b"".join(b"\xff" + way for way in OTHERS[:3]) + OTHERS[3]
    )
    (tmp_path / "headers").write_bytes(DATA)

    def run(*arguments: str, proof: str = "file.ots") -> tuple[int, Any]:
        given = [argument.replace("DIR", str(tmp_path)) for argument in arguments]
        if "--headers" in arguments and "--network" not in arguments:
            given += ["--network", "regtest"]
        code = main(["verify", str(tmp_path / "file"), str(tmp_path / proof), *given])
        printed = capsys.readouterr().out.replace(str(tmp_path), "DIR")
        return code, json.loads(printed) if "--json" in arguments else printed

    return run


def test_a_headers_file_gives_the_header_and_its_tip_and_work_are_printed(verify: Verify):
    code, printed = verify("--headers", "DIR/headers")

    assert code == 0
    assert printed.startswith(f"valid: existed before block {HEIGHT}")
    assert "  source    file DIR/headers: has this header\n" in printed
    assert f"            regtest, blocks 0 to 11, 2^4.6 hashes of work, tip {TIP_HASH}\n" in printed


def test_a_headers_file_with_a_known_block_and_network_is_described_in_json(verify: Verify):
    checkpoint = f"11:{TIP_HASH}"
    code, answer = verify("--headers", "DIR/headers", "--checkpoint", checkpoint, "--network", "regtest", "--json")

    assert code == 0
    chain = {"network": "regtest", "first_height": 0, "tip_height": 11, "tip_hash": TIP_HASH, "work": "24"}
    assert answer["sources"] == [{"source": "file DIR/headers", "told": True, "detail": None, "chain": chain}]


def test_a_headers_file_is_the_main_networks_unless_another_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "file.ots").write_bytes(MAGIC + b"\x01\x08" + ROOT + b"\x00" + BITCOIN + bytes([1, HEIGHT]))
    (tmp_path / "headers").write_bytes(DATA)
    arguments = ["verify", "--digest", ROOT.hex(), str(tmp_path / "file.ots"), "--headers", str(tmp_path / "headers")]

    assert main(arguments) == 2
    assert main([*arguments, "--network", "regtest"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("undecided: the headers file is of regtest, not of main: say --network regtest if that")


@pytest.mark.parametrize(
    ("length", "options", "cause"),
    [
        (80 * 12 - 1, [], "HeadersTruncatedError"),
        (80 * 12, ["--network", "main"], "HeadersNetworkError"),
        (80 * 12, ["--checkpoint", f"10:{TIP_HASH}"], "CheckpointMismatchError"),
        (80 * 10, [], "HeaderUnavailableError"),
        (80 * 5, [], "HeaderUnavailableError"),
    ],
)
def test_a_headers_file_that_does_not_hold_or_reach_leaves_it_undecided(
    verify: Verify, tmp_path: Path, length: int, options: list[str], cause: str
):
    (tmp_path / "headers").write_bytes(DATA[:length])

    code, answer = verify("--headers", "DIR/headers", *options, "--json")

    assert (code, answer["result"], answer["cause"]) == (2, "undecided", cause)


def test_a_broken_headers_file_is_not_passed_over_for_another_source(verify: Verify, tmp_path: Path):
    (tmp_path / "headers").write_bytes(DATA[:-1])

    code, printed = verify("--headers", "DIR/headers", "--header", f"{HEIGHT}:{RAW[HEIGHT].hex()}")

    assert code == 2
    assert "HeadersTruncatedError" in printed


def test_every_kind_of_source_at_once_must_agree_and_does(verify: Verify):
    with serve(Node(RAW, tip=11)) as node, serve_answers(Explorer(RAW, tip=11).answer) as site:
        code, answer = verify(
            "--header", f"{HEIGHT}:{RAW[HEIGHT].hex()}", "--node", node.url, "--node", node.url,
            "--esplora", site, "--headers", "DIR/headers", "--headers", "DIR/headers", "--json",
        )  # fmt: skip
        place = node.url.partition("@")[2]

    assert code == 0
    assert [(source["source"], source["told"]) for source in answer["sources"]] == [
        ("header that you gave", True),
        (f"node http://{place}", True),
        (f"node http://{place}", True),
        (f"explorer {site}", True),
        ("file DIR/headers", True),
        ("file DIR/headers", True),
    ]


def test_sources_that_cannot_tell_are_named_beside_one_that_can(verify: Verify):
    with serve(Node(RAW, tip=7)) as node:
        code, printed = verify("--node", node.url, "--esplora", "http://127.0.0.1:1", "--headers", "DIR/headers")
        place = node.url.partition("@")[2]

    assert code == 0
    assert "  sources   only 1 of 3 can tell\n" in printed
    assert f"  source    node http://{place}: cannot tell: block 5 has 3 confirmations of 6\n" in printed
    assert "  source    explorer http://127.0.0.1:1: cannot tell: http://127.0.0.1:1 does not answer" in printed


def test_sources_that_disagree_leave_it_undecided(verify: Verify):
    other = mine_regtest(HEIGHT + 1)[HEIGHT * 80 :]
    with serve(Node({**RAW, HEIGHT: other}, tip=11)) as node:
        code, answer = verify("--node", node.url, "--headers", "DIR/headers", "--json")

    assert (code, answer["result"], answer["cause"]) == (2, "undecided", "HeaderDisagreementError")
    assert answer["detail"].count(" has ") == 2
    assert f"file DIR/headers has {display_hash(get_hash(RAW[HEIGHT]))}" in answer["detail"]
    assert f" has {display_hash(get_hash(other))}" in answer["detail"]


def test_sources_that_all_cannot_tell_each_say_why(verify: Verify):
    code, printed = verify("--header", f"6:{RAW[6].hex()}", "--esplora", "http://127.0.0.1:1")

    assert code == 2
    assert "header that you gave: no header was given for block 5; explorer http://127.0.0.1:1: " in printed


def test_every_attestation_of_an_ots_is_reported(verify: Verify):
    code, printed = verify("--headers", "DIR/headers")

    assert code == 0
    assert "  pending   https://calendar.example/: undecided (a calendar's promise, not yet a block)\n" in printed
    assert "  litecoin  block 1000: undecided (a block of Litecoin, which nothing here can look up)\n" in printed
    assert "  ethereum  block 9: undecided (a block of Ethereum, which nothing here can look up)\n" in printed
    assert "  unknown   tag 756e686561726420, 3 bytes: undecided (an attestation of an unknown kind)\n" in printed
    assert "  bitcoin   block 5: valid\n" in printed


def test_attestations_are_reported_also_where_none_is_bitcoins(verify: Verify):
    code, answer = verify("--headers", "DIR/headers", "--json", proof="none.ots")

    assert (code, answer["result"], answer["cause"]) == (2, "undecided", "UndecidedError")
    assert [(claim["kind"], claim["result"]) for claim in answer["attestations"]] == [
        ("pending", "undecided"),
        ("litecoin", "undecided"),
        ("ethereum", "undecided"),
        ("unknown", "undecided"),
    ]
    assert answer["attestations"][0]["uri"] == CALENDAR.decode()
    assert answer["attestations"][1]["height"] == 1000
    assert (answer["attestations"][3]["tag"], answer["attestations"][3]["payload"]) == ("756e686561726420", "010203")


def test_attestations_are_reported_also_where_one_fails(verify: Verify):
    code, printed = verify("--header", f"{HEIGHT}:{RAW[6].hex()}")

    assert code == 1
    assert printed.startswith("invalid at step 7: the timestamp does not lead to the Merkle root of block 5")
    assert "  bitcoin   block 5: invalid (the timestamp does not lead to the Merkle root of block 5)\n" in printed
    assert "  pending   https://calendar.example/: undecided" in printed


def test_the_options_can_be_written_down_again():
    parser = argparse.ArgumentParser()
    add_source_options(parser)
    words = [
        "--header", "1:00", "--header", "2:00", "--headers", "a file", "--node", "http://n", "--esplora", "http://e",
        "--checkpoint", "0:00", "--network", "main",
    ]  # fmt: skip

    assert list_source_options(parser.parse_args(words)) == words
    assert list_source_options(parser.parse_args([])) == []
