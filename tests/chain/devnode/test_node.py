"""The development node's process: what survives its ends, and that there is one per data directory."""

import contextlib
import itertools
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chain.errors import NodeRejectedError, NodeUnavailableError
from chain.node import NodeClient
from chain.transactions import Output
from tests.nodes import ENTRY, ROOT, DevnodeProcess, MiningWallet, running_devnode

KILLING_ENTRY = (sys.executable, "-m", "tests.chain.devnode.killing_entry")
STEPS_MAX = 200
TORN_BYTES = 5
RECOVERY_STEPS_MIN = 10
"""Two around the cut, two around its sync, one before the log is read, and one after each of the five records."""


class AcknowledgedChain:
    """Runs a fixed course of calls and keeps what the node has acknowledged."""

    def __init__(self, node: NodeClient) -> None:
        self.wallet = MiningWallet(node)
        self.acknowledged: list[str] = []
        self.to_invalidate: str | None = None
        self.is_invalidated = False
        self.is_complete = False

    def run(self) -> None:
        """Mine one, mine two at once, take the last back, and mine on the other branch."""
        self.acknowledged += self.wallet.mine()
        self.acknowledged += self.wallet.mine(2)
        self.to_invalidate = self.acknowledged[-1]
        self.wallet.node.invalidate_block(self.to_invalidate)
        self.is_invalidated = True
        self.acknowledged += self.wallet.mine()
        self.is_complete = True


@pytest.mark.slow
def test_a_kill_at_any_step_loses_no_acknowledged_block(tmp_path: Path):
    for step in itertools.count(1):
        assert step < STEPS_MAX
        directory = tmp_path / str(step)
        course = run_course_until_killed(directory, step)
        with running_devnode(directory) as node:
            check_nothing_lost(node.client, course)
        if course is not None and course.is_complete:
            break
    assert step > 30


@pytest.mark.slow
def test_a_kill_at_any_step_of_a_recovery_loses_no_acknowledged_block(tmp_path: Path):
    crashed = tmp_path / "crashed"
    course, torn = make_crashed_directory(crashed)
    for step in itertools.count(1):
        assert step < STEPS_MAX
        directory = tmp_path / str(step)
        shutil.copytree(crashed, directory)
        node = DevnodeProcess(directory, (*KILLING_ENTRY, "--kill-at", str(step)))
        if is_recovered(node):
            break
        with running_devnode(directory) as restarted:
            assert restarted.client.find_block_header(torn) is None
            check_nothing_lost(restarted.client, course)
    assert step > RECOVERY_STEPS_MIN


def make_crashed_directory(directory: Path) -> tuple[AcknowledgedChain, str]:
    """Return a complete course of a node that was killed after it, and the hash of one more block, whose record is
    torn."""
    with running_devnode(directory) as node:
        course = AcknowledgedChain(node.client)
        course.run()
        [torn] = course.wallet.mine()
        node.kill()
    log = directory / "blocks.log"
    log.write_bytes(log.read_bytes()[:-TORN_BYTES])
    return course, torn


def is_recovered(node: DevnodeProcess) -> bool:
    """Start a node that kills itself, and return whether it got through its recovery; it is gone then too."""
    try:
        node.start()
    except RuntimeError:
        assert node.process is not None
        assert node.process.returncode == -signal.SIGKILL
        return False
    node.kill()
    return True


def run_course_until_killed(directory: Path, step: int) -> AcknowledgedChain | None:
    """Run the course against a node that dies at the given step; None if it died before it could be
    called."""
    node = DevnodeProcess(directory, (*KILLING_ENTRY, "--kill-at", str(step)))
    try:
        node.start()
    except RuntimeError:
        return None
    course = AcknowledgedChain(node.client)
    with contextlib.suppress(NodeUnavailableError):
        course.run()
    node.kill()
    return course


def check_nothing_lost(client: NodeClient, course: AcknowledgedChain | None) -> None:
    """Check that every acknowledged block is known, judged as acknowledged, and can be built on."""
    for block_hash in course.acknowledged if course else []:
        is_confirmed = client.get_block_header(block_hash).confirmations > 0
        if course and block_hash == course.to_invalidate:
            # An invalidation that was never answered may or may not have been done.
            assert not (is_confirmed and course.is_invalidated)
        else:
            assert is_confirmed
    height = client.get_block_count()
    MiningWallet(client).mine()
    assert client.get_block_count() == height + 1


def test_a_restart_after_sigkill_replays_the_chain(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine(120)
    tip = devnode.client.get_best_block_hash()
    devnode.kill()
    devnode.start()
    assert devnode.client.get_best_block_hash() == tip


def test_a_torn_last_record_is_cut_off(devnode: DevnodeProcess, wallet: MiningWallet):
    kept, torn = wallet.mine(2)
    devnode.kill()
    log = devnode.directory / "blocks.log"
    log.write_bytes(log.read_bytes()[:-5])
    devnode.start()
    assert devnode.client.get_best_block_hash() == kept
    assert devnode.client.find_block_header(torn) is None


def test_a_log_damaged_before_its_end_is_refused(devnode: DevnodeProcess, wallet: MiningWallet):
    wallet.mine(3)
    devnode.kill()
    log = devnode.directory / "blocks.log"
    data = bytearray(log.read_bytes())
    data[100] ^= 1
    log.write_bytes(data)
    with pytest.raises(RuntimeError, match="damaged at byte 8"):
        devnode.start()


def test_sigterm_ends_with_success_and_keeps_the_mempool(devnode: DevnodeProcess, wallet: MiningWallet):
    coin = wallet.fund()[0]
    raw = wallet.build([coin], [Output(coin.value_sat - 1_000, wallet.key.script_pubkey)])
    txid = devnode.client.send_raw_transaction(raw)
    assert devnode.stop(signal.SIGTERM) == 0
    devnode.start()
    entry = devnode.client.get_mempool_entry(txid)
    assert entry is not None
    assert entry.fee_sat == 1_000


def test_a_second_process_on_the_same_directory_is_refused(devnode: DevnodeProcess):
    second = subprocess.run(
        [*ENTRY, "--data", str(devnode.directory), "--port", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert second.returncode == 1
    assert "another development node uses" in second.stderr
    assert devnode.client.get_block_count() == 0


def test_invalidateblock_and_reconsiderblock_act_as_cores(devnode: DevnodeProcess, wallet: MiningWallet):
    first, second, third = wallet.mine(3)
    client = devnode.client
    client.invalidate_block(second)
    assert client.get_best_block_hash() == first
    assert client.get_block_header(third).confirmations == -1
    other = wallet.mine()[0]
    assert client.get_block_header(other).height == 2
    client.reconsider_block(third)
    assert client.get_best_block_hash() == third
    assert client.get_block_header(other).confirmations == -1


def test_an_invalidated_block_stays_so_after_a_restart(devnode: DevnodeProcess, wallet: MiningWallet):
    first, second = wallet.mine(2)
    devnode.client.invalidate_block(second)
    devnode.kill()
    devnode.start()
    assert devnode.client.get_best_block_hash() == first
    assert devnode.client.submit_block(devnode.client.get_block(second)) == "duplicate-invalid"


def test_the_genesis_block_cannot_be_invalidated(devnode: DevnodeProcess):
    genesis = devnode.client.get_block_hash(0)
    with pytest.raises(NodeRejectedError, match="genesis"):
        devnode.client.invalidate_block(genesis)


def test_submitblock_names_the_reason(devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path):
    client = devnode.client
    block = client.get_block(wallet.mine()[0])
    with running_devnode(tmp_path / "other") as other:
        later = other.client
        child_wallet = MiningWallet(later)
        assert later.submit_block(block) is None
        assert later.submit_block(block) == "duplicate"
        child = later.get_block(child_wallet.mine()[0])
        grandchild = later.get_block(child_wallet.mine()[0])
    assert client.submit_block(grandchild) == "prev-blk-not-found"
    wrong = bytearray(child)
    wrong[-1] ^= 1
    assert client.submit_block(bytes(wrong)) in {"bad-txnmrklroot", "rejected"}
    assert client.submit_block(child) is None
    assert client.get_block_count() == 2
    with pytest.raises(NodeRejectedError) as refused:
        client.submit_block(b"\x00" * 100)
    assert refused.value.code == -22


def test_a_longer_branch_from_elsewhere_takes_over(devnode: DevnodeProcess, wallet: MiningWallet, tmp_path: Path):
    common = devnode.client.get_block(wallet.mine()[0])
    ours = wallet.mine(2)
    with running_devnode(tmp_path / "other") as other:
        other.client.submit_block(common)
        branch = [other.client.get_block(item) for item in MiningWallet(other.client).mine(3)]
    results = [devnode.client.submit_block(raw) for raw in branch]
    assert results == ["inconclusive", "inconclusive", None]
    assert devnode.client.get_block_count() == 4
    assert devnode.client.get_block_header(ours[0]).confirmations == -1
