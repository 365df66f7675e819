"""SIGKILL at every touch that the export makes to its folder: what is published is whole, and the next run finishes."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.system import System
from registry.proof.__main__ import main as run_verifier

ROOT = Path(__file__).parents[2]
SEED = """
import django
django.setup()
from django.db import transaction
from django.utils import timezone
from chain.keys import Key
from chain.networks import REGTEST
from chain.node import get_node
from registry.models import Record
from registry.services.anchor_keys import get_anchor_keys
from registry.services.anchors import send_anchors
from registry.services.batches import seal_batch
from registry.services.following import follow_chain
from registry.services.records import register_document
node, now = get_node(), timezone.now()
follow_chain(node=node, now=now)
for number in range(3):
    with transaction.atomic():
        register_document(kind=Record.Kind.NOTICE, document={"text": "plain"}, now=now)
seal_batch(now=now)
send_anchors(node=node, now=now)
node.generate_to_address(6, get_anchor_keys().payee.address(REGTEST))
follow_chain(node=node, now=now)
"""
REORGANISE = """
import django
django.setup()
from django.utils import timezone
from chain.networks import REGTEST
from chain.node import get_node
from registry.models import Anchor
from registry.services.anchor_keys import get_anchor_keys
from registry.services.following import follow_chain
node, now = get_node(), timezone.now()
node.invalidate_block(Anchor.objects.order_by("batch__seq").last().block_hash)
node.generate_to_address(8, get_anchor_keys().payee.address(REGTEST))
follow_chain(node=node, now=now)
"""


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A node and a database with one final batch."""
    data = tmp_path / "data"
    (data / "static").mkdir(parents=True)
    settings = {"DJANGO_SETTINGS_MODULE": "config.settings", "CADASTRE_DATABASE_URL": f"sqlite:///{data}/db.sqlite3"}
    running = System(data=data, settings=settings)
    try:
        running.start_node()
        running.prepare()
        running.found_register()
        seed(running)
        yield running
    finally:
        running.processes.stop()


def seed(system: System) -> None:
    """Add a final batch."""
    system.processes.run("seed", ["-c", SEED])


def export(system: System, folder: Path, *, kill_at: int) -> int:
    """Run the command and return its status."""
    environment = system.processes.environment | {
        "PYTHONPATH": str(ROOT / "tests" / "registry" / "killing"),
        "KILL_FOLDER": str(folder),
        "KILL_AT": str(kill_at),
    }
    command = [sys.executable, "manage.py", "export_register", str(folder)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False).returncode


@pytest.mark.slow
@pytest.mark.own_engine
@pytest.mark.parametrize("change", [SEED, REORGANISE], ids=["a new batch", "a reorganisation"])
def test_a_killed_export_never_shows_half_of_anything(system: System, tmp_path: Path, change: str):
    first, folder = tmp_path / "first", tmp_path / "export"
    assert export(system, first, kill_at=0) == 0
    system.processes.run("change", ["-c", change])
    kills = 0
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(first, folder)
        status = export(system, folder, kill_at=kills + 1)
        if status != -signal.SIGKILL:
            break
        kills += 1
        # Either the old register or the new one, or leaves that no anchor names yet.
        assert run_verifier(["audit", str(folder), "--network", "regtest"]) in {0, 2}, kills
        names = [path.name for path in folder.iterdir() if path.name != ".unfinished"]
        assert {"anchors.ndjson", "headers.bin", "register.json", "README.txt"} <= set(names), kills
        assert export(system, folder, kill_at=0) == 0, kills
        assert run_verifier(["audit", str(folder), "--network", "regtest"]) == 0, kills
        assert list((folder / ".unfinished").iterdir()) == [], kills
    assert status == 0
    assert kills > 15
