"""The nodes that the contract is tested on: the development node, btcd, and Bitcoin Core where BITCOIND names it.

Each is a process of its own on regtest, on loopback, with its data in a temporary folder.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chain.errors import NodeUnavailableError
from chain.keys import generate_key
from chain.networks import REGTEST
from chain.node import NodeClient
from tests.btcd import find_btcd
from tests.nodes import PASSWORD, USER, DevnodeProcess

START_SECONDS_MAX = 60
BTCD_BLOCKS = 450
"""On btcd's regtest, segregated witness is in force from the third period of 144 signalling blocks on."""


@dataclass
class Peer:
    """One node process."""

    directory: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    kind = ""

    @property
    def url(self) -> str:
        """The address with user name and password."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}"

    @property
    def client(self) -> NodeClient:
        """A new client of this node."""
        return NodeClient(self.url, timeout_s=60)

    def command(self) -> list[str]:
        """Return the command line."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process and wait until it answers calls."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = self.port or find_free_port()
        log = (self.directory / "output").open("ab")
        with log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.client.get_block_count()
            except NodeUnavailableError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise RuntimeError((self.directory / "output").read_text()) from error
                time.sleep(0.1)
            else:
                return

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.wait(timeout=START_SECONDS_MAX)

    def forget_mempool(self) -> None:
        """Start anew without the mempool: as after a power cut."""
        self.stop(signal.SIGKILL)
        self.start()


class DevnodePeer(Peer):
    """The development node."""

    kind = "devnode"

    def start(self) -> None:
        """Start it."""
        running = DevnodeProcess(self.directory, port=self.port).start()
        self.port, self.process = running.port, running.process  # type: ignore[assignment]  # its output is text

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it, and close the pipes that it was started with."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=START_SECONDS_MAX)


class BtcdPeer(Peer):
    """btcd, with the relay policy that its main network has."""

    kind = "btcd"

    def command(self) -> list[str]:
        """Return the command line: no TLS, which btcd allows on loopback, and no peers."""
        program = find_btcd()
        assert program is not None
        (self.directory / "btcd.conf").touch()
        return [
            str(program),
            *("--regtest", "--notls", "--nolisten", "--nodnsseed", "--txindex"),
            *("--rejectnonstd", "--norelaypriority", "--limitfreerelay=0"),
            f"--rpcuser={USER}",
            f"--rpcpass={PASSWORD}",
            f"--rpclisten=127.0.0.1:{self.port}",
            f"--datadir={self.directory / 'data'}",
            f"--logdir={self.directory / 'logs'}",
            f"--configfile={self.directory / 'btcd.conf'}",
            f"--miningaddr={generate_key().address(REGTEST)}",
        ]

    def start(self) -> None:
        """Start it, which on regtest always begins a new chain, and mine to where segregated witness is in force."""
        super().start()
        self.client._call("generate", BTCD_BLOCKS, is_repeatable=False)

    def forget_mempool(self) -> None:
        """Start anew, and feed it the blocks that it had: on regtest it removes its chain at every start."""
        node = self.client
        blocks = [node.get_block(node.get_block_hash(height)) for height in range(1, node.get_block_count() + 1)]
        self.stop()
        super().start()
        for raw in blocks:
            assert self.client.submit_block(raw) is None


class CorePeer(Peer):
    """Bitcoin Core."""

    kind = "core"

    def command(self) -> list[str]:
        """Return the command line: no peers, no wallet."""
        return [
            os.environ["BITCOIND"],
            *("-regtest", "-server", "-listen=0", "-connect=0", "-dnsseed=0", "-disablewallet", "-txindex=1"),
            *("-persistmempool=0", "-rpcallowip=127.0.0.1"),
            f"-datadir={self.directory}",
            f"-rpcbind=127.0.0.1:{self.port}",
            f"-rpcport={self.port}",
            f"-rpcuser={USER}",
            f"-rpcpassword={PASSWORD}",
        ]

    def forget_mempool(self) -> None:
        """Start anew: it is told to keep no mempool. A clean end, for its chain is not written at once."""
        self.stop()
        self.start()


PEERS: dict[str, type[Peer]] = {peer.kind: peer for peer in (DevnodePeer, BtcdPeer, CorePeer)}


def explain_absence(kind: str) -> str | None:
    """Return why a node cannot be tested on here, or None if it can."""
    if kind == "core" and not shutil.which(os.environ.get("BITCOIND", "")):
        return "Bitcoin Core: BITCOIND names no program"
    if kind == "btcd" and (os.environ.get("TEST_BTCD") == "skip" or find_btcd() is None):
        return "btcd: not installed, and the test command installs it where Go is (or TEST_BTCD=skip)"
    return None


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[Peer]:
    """Run a node and end it afterwards, whatever the test did to it."""
    peer.start()
    try:
        yield peer
    finally:
        if peer.process is not None and peer.process.poll() is None:
            peer.stop()


def find_free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
