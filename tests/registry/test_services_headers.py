import fcntl
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from chain.errors import NetworkError, NodeUnavailableError
from chain.node import NodeClient
from registry.errors import HeadersFileBusyError, HeadersFileError
from registry.proof.chains import Checkpoint, HeaderChain, read_chain
from registry.proof.headers import parse_display_hash
from registry.proof.networks import REGTEST
from registry.services import headers
from registry.services.headers import export_headers
from tests.nodes import DevnodeProcess, MiningWallet

ROOT = Path(__file__).resolve().parents[2]


def read(path: Path, checkpoint: Checkpoint | None = None) -> HeaderChain:
    with path.open("rb") as stream:
        return read_chain(stream, network=REGTEST, checkpoint=checkpoint)


def assert_is_nodes_chain(path: Path, node: NodeClient) -> None:
    chain = read(path)
    assert chain.tip_height == node.get_block_count()
    assert chain.tip_hash == parse_display_hash(node.get_best_block_hash())


def test_exports_a_chain_that_the_verifier_accepts(devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path):
    wallet.mine(1200)
    notes: list[tuple[int, int]] = []
    node, path = devnode.client, tmp_path / "headers"

    count = export_headers(node=node, path=path, note_progress=lambda done, total: notes.append((done, total)))

    assert count == 1201
    assert notes == [(500, 1201), (1000, 1201), (1201, 1201)]
    assert_is_nodes_chain(path, node)
    assert list(tmp_path.glob("headers*")) == [path]


def test_extends_a_file_and_leaves_one_that_is_current(devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path):
    node, path = devnode.client, tmp_path / "headers"
    wallet.mine(5)
    export_headers(node=node, path=path)
    wallet.mine(3)

    assert export_headers(node=node, path=path) == 9
    assert_is_nodes_chain(path, node)

    inode = path.stat().st_ino
    assert export_headers(node=node, path=path) == 9
    assert path.stat().st_ino == inode
    assert list(tmp_path.glob("headers*")) == [path]


@pytest.mark.parametrize("new_blocks", [1, 4, 12])
def test_replaces_headers_that_have_left_the_chain(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path, new_blocks: int
):
    node, path = devnode.client, tmp_path / "headers"
    hashes = wallet.mine(20)
    export_headers(node=node, path=path)
    node.invalidate_block(hashes[16])
    MiningWallet(node).mine(new_blocks)

    assert export_headers(node=node, path=path) == 17 + new_blocks

    assert_is_nodes_chain(path, node)


def test_a_node_that_is_behind_takes_nothing_away(devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path):
    node, path = devnode.client, tmp_path / "headers"
    hashes = wallet.mine(20)
    export_headers(node=node, path=path)
    whole = path.read_bytes()
    node.invalidate_block(hashes[10])
    assert node.get_block_count() == 10

    assert export_headers(node=node, path=path) == 21

    assert path.read_bytes() == whole


def test_goes_on_where_an_earlier_step_ended(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(headers, "HEADERS_PER_WRITE", 7)
    monkeypatch.setattr(headers, "HEADERS_PER_CALL", 3)
    wallet.mine(20)

    assert export_headers(node=devnode.client, path=tmp_path / "headers") == 21

    assert_is_nodes_chain(tmp_path / "headers", devnode.client)


KILLED = """
import os, signal, sys
from pathlib import Path
import django
django.setup()
from chain.node import NodeClient
from registry.services import headers
headers.HEADERS_PER_WRITE, headers.HEADERS_PER_CALL = 8, 4

def die(done, total):
    if done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

headers.export_headers(node=NodeClient(sys.argv[1]), path=Path(sys.argv[2]), note_progress=die)
"""


@pytest.mark.parametrize(("killed_at", "left"), [(4, 0), (8, 0), (12, 8), (21, 16)])
def test_a_kill_leaves_the_last_whole_file_and_the_next_export_goes_on(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path, killed_at: int, left: int
):
    wallet.mine(20)
    path = tmp_path / "headers"
    command = [sys.executable, "-c", KILLED, devnode.url, str(path), str(killed_at)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(ROOT)}

    killed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (path.stat().st_size // 80 if path.exists() else 0) == left
    assert Path(f"{path}.part").exists()
    assert export_headers(node=devnode.client, path=path) == 21
    assert_is_nodes_chain(path, devnode.client)
    assert not Path(f"{path}.part").exists()


def test_begins_at_a_period_and_the_verifier_reads_it_with_that_checkpoint(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path
):
    node, path = devnode.client, tmp_path / "headers"
    for _ in range(3):
        wallet.mine(680)

    assert export_headers(node=node, path=path, from_height=2016) == 25
    wallet.mine(1)
    assert export_headers(node=node, path=path, from_height=2016) == 26

    checkpoint = Checkpoint(height=2016, block_hash=parse_display_hash(node.get_block_hash(2016)))
    chain = read(path, checkpoint)
    assert (chain.first_height, chain.tip_height) == (2016, 2041)
    with pytest.raises(HeadersFileError, match="does not begin with block 0 "):
        export_headers(node=node, path=path)
    with pytest.raises(HeadersFileError, match="does not reach block 4032"):
        export_headers(node=node, path=tmp_path / "other", from_height=4032)


@pytest.mark.parametrize("height", [-2016, 1, 2015])
def test_refuses_a_height_that_cannot_begin_a_file(shared_devnode: DevnodeProcess, tmp_path: Path, height: int):
    with pytest.raises(HeadersFileError, match="multiple of 2016"):
        export_headers(node=shared_devnode.client, path=tmp_path / "headers", from_height=height)


def test_refuses_a_node_of_another_network(shared_devnode: DevnodeProcess, tmp_path: Path, settings: Settings):
    settings.CADASTRE_NETWORK = "signet"

    with pytest.raises(NetworkError, match="signet"):
        export_headers(node=shared_devnode.client, path=tmp_path / "headers")


@pytest.mark.parametrize("content", [b"My diary", bytes(80), bytes(160)])
def test_a_file_that_is_something_else_is_kept_and_refused(
    shared_devnode: DevnodeProcess, tmp_path: Path, content: bytes
):
    path = tmp_path / "headers"
    path.write_bytes(content)

    with pytest.raises(HeadersFileError):
        export_headers(node=shared_devnode.client, path=path)

    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_in_which_a_header_was_changed_is_kept_and_refused(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path
):
    wallet.mine(20)
    path = tmp_path / "headers"
    export_headers(node=devnode.client, path=path)
    changed = bytearray(path.read_bytes())
    changed[80 * 9 + 40] ^= 1
    path.write_bytes(changed)
    wallet.mine(1)

    with pytest.raises(HeadersFileError, match="do not link"):
        export_headers(node=devnode.client, path=path)

    assert path.read_bytes() == changed


def test_an_empty_file_is_filled(shared_devnode: DevnodeProcess, tmp_path: Path):
    path = tmp_path / "headers"
    path.touch()

    assert export_headers(node=shared_devnode.client, path=path) == path.stat().st_size // 80 > 0


def test_two_exports_to_one_file_do_not_mix(shared_devnode: DevnodeProcess, tmp_path: Path):
    path = tmp_path / "headers"
    with Path(f"{path}.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(HeadersFileBusyError):
            export_headers(node=shared_devnode.client, path=path)

    assert export_headers(node=shared_devnode.client, path=path) > 0


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_draft_that_another_export_has_put_in_place_is_not_written_to(
    shared_devnode: DevnodeProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
):
    path, draft = tmp_path / "headers", tmp_path / "headers.part"
    lock = fcntl.flock

    def lock_late(stream: io.BufferedRandom, operation: int) -> None:
        draft.rename(path)
        if is_replaced:
            draft.touch()
        lock(stream, operation)

    draft.write_bytes(b"another's headers")
    monkeypatch.setattr(fcntl, "flock", lock_late)

    with pytest.raises(HeadersFileBusyError):
        export_headers(node=shared_devnode.client, path=path)

    assert path.read_bytes() == b"another's headers"
    assert draft.exists() == is_replaced


class FlippingNode(NodeClient):
    """A node whose chain is reorganised before it answers, so many times; `new_blocks` take the place of five."""

    def __init__(self, devnode: DevnodeProcess, *, flips: int, new_blocks: int) -> None:
        super().__init__(devnode.url)
        self.flips, self.new_blocks = flips, new_blocks

    def get_raw_headers(self, first_height: int, count: int) -> list[bytes]:
        if self.flips and first_height > 10:
            self.flips -= 1
            self.invalidate_block(self.get_block_hash(self.get_block_count() - 4))
            MiningWallet(self).mine(self.new_blocks)
        return super().get_raw_headers(first_height, count)


@pytest.mark.parametrize(("flips", "new_blocks"), [(1, 6), (3, 6), (1, 1)])
def test_a_chain_that_changes_meanwhile_is_read_again(
    devnode: DevnodeProcess,
    wallet: MiningWallet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flips: int,
    new_blocks: int,
):
    monkeypatch.setattr(headers, "HEADERS_PER_CALL", 18)
    wallet.mine(20)

    export_headers(node=FlippingNode(devnode, flips=flips, new_blocks=new_blocks), path=tmp_path / "headers")

    # The last change may have come after the node said how long its chain is, and made it longer.
    chain = read(tmp_path / "headers")
    assert chain.tip_hash == parse_display_hash(devnode.client.get_block_hash(chain.tip_height))
    assert chain.tip_height >= devnode.client.get_block_count() - 1


class ShrinkingNode(NodeClient):
    """A node that loses three blocks once it has said how long its chain is."""

    is_whole = True

    def get_block_count(self) -> int:
        count = super().get_block_count()
        if self.is_whole:
            self.is_whole = False
            self.invalidate_block(self.get_block_hash(count - 2))
        return count


def test_a_chain_that_becomes_shorter_meanwhile_is_read_again(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path
):
    wallet.mine(20)
    export_headers(node=devnode.client, path=tmp_path / "headers")

    assert export_headers(node=ShrinkingNode(devnode.url), path=tmp_path / "headers") == 21
    assert export_headers(node=ShrinkingNode(devnode.url), path=tmp_path / "new") == 15


def test_a_chain_that_keeps_changing_is_given_up(
    devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(headers, "HEADERS_PER_CALL", 18)
    wallet.mine(20)

    with pytest.raises(NodeUnavailableError, match="keeps changing"):
        export_headers(node=FlippingNode(devnode, flips=-1, new_blocks=5), path=tmp_path / "headers")

    assert list(tmp_path.glob("headers*")) == []


def test_the_command_says_what_it_wrote(shared_devnode: DevnodeProcess, settings: Settings, tmp_path: Path):
    settings.CADASTRE_NODE_URL = shared_devnode.url
    path, printed = tmp_path / "headers", io.StringIO()

    call_command("export_headers", str(path), stdout=printed)

    tip_height = read(path).tip_height
    assert printed.getvalue() == f"{path}: {tip_height + 1} headers, blocks 0 to {tip_height}\n"


def test_the_command_says_what_is_wrong(shared_devnode: DevnodeProcess, settings: Settings, tmp_path: Path):
    settings.CADASTRE_NODE_URL = shared_devnode.url

    with pytest.raises(CommandError, match="multiple of 2016"):
        call_command("export_headers", str(tmp_path / "headers"), "--from", "5")
    with pytest.raises(CommandError, match=r"cannot write .*: No such file or directory"):
        call_command("export_headers", str(tmp_path / "no folder" / "headers"))
