"""A development node for tests: its own process on a free loopback port, with a wallet that mines to
itself."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chain.keys import Key, generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import Coin, Output, build_transaction, parse_block, sign_transaction

ROOT = Path(__file__).resolve().parent.parent
USER, PASSWORD = "cadastre", "cadastre"
START_SECONDS_MAX = 30
SHARED_BLOCKS_MAX = 1_500
ENTRY = (sys.executable, "-m", "chain.devnode")


@dataclass
class DevnodeProcess:
    """One running (or killed) node process; `url` has the credentials."""

    directory: Path
    entry: Sequence[str] = ENTRY
    port: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address with user name and password, as CADASTRE_NODE_URL wants it."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    @property
    def client(self) -> NodeClient:
        """A new client of this node."""
        return NodeClient(self.url, timeout_s=60)

    def start(self) -> "DevnodeProcess":
        """Start the process and wait until it answers calls."""
        options = [
            "--data",
            str(self.directory),
            "--port",
            str(self.port),
            "--user",
            USER,
            "--password",
            PASSWORD,
        ]
        self.process = subprocess.Popen(
            [*self.entry, *options],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            _, errors = self.process.communicate(timeout=START_SECONDS_MAX)
            raise RuntimeError(f"the development node did not start: {line}{errors}")
        self.port = int(line.rsplit(":", 1)[1])
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait for the end and return the exit code."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.communicate(timeout=START_SECONDS_MAX)
        return self.process.returncode

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.stop(signal.SIGKILL)


@dataclass
class MiningWallet:
    """One key whose coins come from mining; keeps its confirmed and mature coins."""

    node: NodeClient
    key: Key = field(default_factory=generate_key)
    _coins: list[Coin] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the wallet is paid."""
        return self.key.address(REGTEST)

    def mine(self, count: int = 1) -> list[str]:
        """Mine blocks that pay this wallet."""
        return self.node.generate_to_address(count, self.address)

    def fund(self, count: int = 1) -> list[Coin]:
        """Return coins of 50 coins or, after regtest's halvings, less; mined and matured here."""
        hashes = self.mine(count)
        self.mine(100)
        coins = []
        for block_hash in hashes:
            coinbase = parse_block(self.node.get_block(block_hash)).transactions[0]
            coins.append(Coin(coinbase.txid, 0, coinbase.outputs[0].value_sat, coinbase.outputs[0].script))
        return coins

    def build(
        self,
        coins: Sequence[Coin],
        outputs: Sequence[Output],
        *,
        lock_time: int = 0,
        sequence: int = 0xFFFFFFFD,
    ) -> bytes:
        """Build and sign a transaction that spends this wallet's coins."""
        raw = build_transaction(coins=coins, outputs=outputs, lock_time=lock_time, sequence=sequence)
        return sign_transaction(raw, coins=coins, keys={self.key.script_pubkey: self.key})

    def pay(self, script: bytes, value_sat: int, *, fee_sat: int = 1_000) -> str:
        """Send an amount from a freshly mined coin, with the change back here; return the
        transaction's id."""
        if not self._coins:
            self._coins = self.fund(10)
        coin = self._coins.pop()
        change = Output(coin.value_sat - value_sat - fee_sat, self.key.script_pubkey)
        return self.node.send_raw_transaction(self.build([coin], [Output(value_sat, script), change]))


def copy_chain(source: NodeClient, target: NodeClient) -> None:
    """Give a node all blocks of another one's chain, and nothing of its mempool."""
    for height in range(target.get_block_count() + 1, source.get_block_count() + 1):
        refused = target.submit_block(source.get_block(source.get_block_hash(height)))
        if refused is not None:
            raise RuntimeError(f"the block at height {height} was refused: {refused}")


@contextlib.contextmanager
def running_devnode(directory: Path, *, entry: Sequence[str] = ENTRY) -> Iterator[DevnodeProcess]:
    """Run a node and end it afterwards, whatever the test did to it."""
    node = DevnodeProcess(directory, entry).start()
    try:
        yield node
    finally:
        if node.process is not None and node.process.poll() is None:
            node.stop()


@pytest.fixture(scope="session")
def session_devnode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevnodeProcess]:
    """The process behind shared_devnode."""
    with running_devnode(tmp_path_factory.mktemp("devnode")) as node:
        yield node


@pytest.fixture
def shared_devnode(session_devnode: DevnodeProcess) -> DevnodeProcess:
    """One node for all tests that do not mind what others mined.

    Regtest halves its subsidy every 150 blocks, and registers are founded on it: so the chain begins anew in time.
    """
    if session_devnode.client.get_block_count() > SHARED_BLOCKS_MAX:
        session_devnode.stop()
        shutil.rmtree(session_devnode.directory)
        session_devnode.start()
    return session_devnode


@pytest.fixture
def devnode(tmp_path: Path) -> Iterator[DevnodeProcess]:
    """A node of the test's own, at its genesis block."""
    with running_devnode(tmp_path / "devnode") as node:
        yield node


@pytest.fixture
def wallet(devnode: DevnodeProcess) -> MiningWallet:
    """A wallet on the test's own node."""
    return MiningWallet(devnode.client)
