"""`cadastre verify` with the sources of headers that the standalone verifier has."""

import json
from pathlib import Path

import pytest

from client.cli import main
from client.exits import DONE, UNDECIDED, USAGE
from registry.proof.timestamps import BITCOIN, MAGIC
from tests.registry.proof.mining import mine_regtest
from tests.registry.proof.servers import Explorer, serve_answers

ROOT = bytes(range(32))
DATA = mine_regtest(12, roots={5: ROOT})


@pytest.fixture
def arguments(home: Path, tmp_path: Path) -> list[str]:
    """A timestamp whose digest is a block's Merkle root, and the headers file that has the block."""
    (tmp_path / "file.ots").write_bytes(MAGIC + b"\x01\x08" + ROOT + b"\x00" + BITCOIN + b"\x01\x05")
    (tmp_path / "headers").write_bytes(DATA)
    return ["verify", "--digest", ROOT.hex(), str(tmp_path / "file.ots")]


def test_a_headers_file_and_an_explorer_at_once(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    raw = {height: DATA[height * 80 : height * 80 + 80] for height in range(12)}
    with serve_answers(Explorer(raw, tip=11).answer) as site:
        sources = ["--headers", str(tmp_path / "headers"), "--network", "regtest", "--esplora", site, "--json"]
        assert main([*arguments, *sources]) == DONE

    answer = json.loads(capsys.readouterr().out)
    assert [source["told"] for source in answer["sources"]] == [True, True]
    assert answer["sources"][1]["chain"]["tip_height"] == 11


def test_a_checkpoint_that_the_file_does_not_have_leaves_it_undecided(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sources = ["--headers", str(tmp_path / "headers"), "--checkpoint", f"5:{'00' * 32}", "--network", "regtest"]

    assert main([*arguments, *sources]) == UNDECIDED

    assert "CheckpointMismatchError" in capsys.readouterr().out


def test_without_any_source_it_is_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == USAGE

    assert "name a source of headers" in capsys.readouterr().out
