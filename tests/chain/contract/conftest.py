"""One node of each kind for the whole contract, and a miner on it."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.chain.contract.miners import Miner
from tests.chain.contract.peers import PEERS, Peer, explain_absence, running

BLOCKS_MAX = 1_000


@pytest.fixture(scope="session", params=sorted(PEERS))
def session_peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A running node; one that is not here is skipped by name, unless TEST_BTCD=require demands it."""
    kind: str = request.param
    absence = explain_absence(kind)
    if absence is not None and kind == "btcd" and os.environ.get("TEST_BTCD") == "require":
        pytest.fail(absence)
    if absence is not None:
        pytest.skip(absence)
    with running(PEERS[kind](tmp_path_factory.mktemp(kind))) as started:
        yield started


@pytest.fixture
def peer(session_peer: Peer) -> Peer:
    """The running node, on a new chain in time: regtest halves its subsidy every 150 blocks, and tests spend it."""
    if session_peer.client.get_block_count() > BLOCKS_MAX:
        session_peer.stop()
        shutil.rmtree(session_peer.directory)
        session_peer.directory.mkdir()
        session_peer.start()
    return session_peer


@pytest.fixture
def miner(peer: Peer) -> Miner:
    """A miner with a key of its own."""
    return Miner(peer.client)
