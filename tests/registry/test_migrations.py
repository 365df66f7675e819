"""Migrations that change rows, run over rows of the schema before them."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from chain.models import FollowedBlock
from registry.models import Anchor, AnchorScript, Batch
from registry.proof.merkle import merkle_root
from registry.selectors.paths import get_path, split_hashes
from registry.selectors.records import get_record
from tests.factories.users import NOW

BEFORE = ("registry", "0002_append_only")
SIZES = (1, 1_500)
FIRST_SCRIPT = b"\x00\x14" + bytes(20)


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[Callable[[tuple[str, str]], StateApps]]:
    """Migrate to a state and return its models; afterwards to the newest again."""

    def run(target: tuple[str, str]) -> StateApps:
        executor = MigrationExecutor(connection)
        executor.migrate([target])
        return MigrationExecutor(connection).loader.project_state([target]).apps

    yield run
    call_command("migrate", verbosity=0)


def find_newest() -> tuple[str, str]:
    """Return the registry's last migration, which the models of the code fit."""
    [(app, name)] = MigrationExecutor(connection).loader.graph.leaf_nodes("registry")
    return app, name


def test_batches_that_were_sealed_before_keep_their_proofs(migrate: Callable[[tuple[str, str]], StateApps]):
    old = migrate(BEFORE)
    make_old_batches(old)

    migrate(find_newest())

    assert [batch.state for batch in Batch.objects.order_by("seq")] == [Batch.State.SEALED] * len(SIZES)
    assert [(batch.size, batch.size_final) for batch in Batch.objects.order_by("seq")] == [(n, n) for n in SIZES]
    assert {batch.opened_at for batch in Batch.objects.all()} == {NOW}
    batch = Batch.objects.get(seq=1)
    assert merkle_root(split_hashes(bytes(batch.subtree_roots))) == bytes(batch.root)
    record = get_record(batch.records.get(index=1_400).id)
    assert len(get_path(record)) == 10


def test_a_database_in_use_keeps_its_anchors_its_cursor_and_its_waiting_records(
    migrate: Callable[[tuple[str, str]], StateApps],
):
    """Passes if anchors and versions are as before, the cursor has its network's name, the register the script that
    founded it, and records without a batch still wait."""
    old = migrate(BEFORE)
    register = make_old_batches(old)
    make_old_anchor(old, register.batches.get(seq=0))
    add_records(old, None, [hashlib.sha256(b"waiting").digest(), hashlib.sha256(b"too").digest()])
    for height, consumer in ((0, "registry"), (1, "registry"), (0, "payouts")):
        FollowedBlock.objects.create(
            consumer=consumer, height=height, hash=f"{height + 1:064x}", previous_hash=f"{height:064x}"
        )

    after = migrate(find_newest())

    consumers = FollowedBlock.objects.order_by("consumer", "height").values_list("consumer", "height")
    assert list(consumers) == [("payouts", 0), ("registry:regtest", 0), ("registry:regtest", 1)]
    script = AnchorScript.objects.get()
    assert (script.register_id, bytes(script.script), script.added_at) == (register.id, FIRST_SCRIPT, NOW)
    anchor = Anchor.objects.select_related("current", "batch").get()
    assert anchor.current is not None
    assert (anchor.state, anchor.batch.seq, anchor.waiting_from_height) == (Anchor.State.BROADCAST, 0, None)
    assert (anchor.current.txid, bytes(anchor.current.raw)) == ("22" * 32, b"raw")
    waiting = after.get_model("registry", "Record").objects.filter(batch=None)
    assert list(waiting.values_list("index", flat=True)) == [None, None]


def make_old_anchor(apps: StateApps, batch: Any) -> None:
    """Write an anchor that was sent, with one version."""
    anchor = apps.get_model("registry", "Anchor").objects.create(
        id=uuid.uuid4(), batch=batch, state="BROADCAST", changed_at=NOW
    )
    anchor.current = apps.get_model("registry", "AnchorTransaction").objects.create(
        id=uuid.uuid4(),
        anchor=anchor,
        version=0,
        txid="22" * 32,
        raw=b"raw",
        fee_sat=200,
        continuation_sat=1_000,
        signed_at=NOW,
    )
    anchor.save()


def make_old_batches(apps: StateApps) -> Any:
    """Write a register with two batches as the schema before had them, and return it."""
    register = apps.get_model("registry", "Register").objects.create(
        id=uuid.uuid4(),
        network="regtest",
        first_txid="11" * 32,
        first_vout=0,
        first_value_sat=1,
        first_script=FIRST_SCRIPT,
        founded_at=NOW,
    )
    first_index = 0
    for seq, size in enumerate(SIZES):
        leaves = [hashlib.sha256(index.to_bytes(8)).digest() for index in range(first_index, first_index + size)]
        batch = apps.get_model("registry", "Batch").objects.create(
            id=uuid.uuid4(),
            register=register,
            seq=seq,
            first_index=first_index,
            size=size,
            root=merkle_root(leaves),
            previous_commitment=bytes(32),
            recent_block_hash="00" * 32,
            commitment=bytes([seq]) * 32,
            sealed_at=NOW,
        )
        add_records(apps, batch, leaves)
        first_index += size
    return register


def add_records(apps: StateApps, batch: Any | None, leaves: list[bytes]) -> None:
    """Write a record for each leaf, in a batch or waiting for one."""
    model = apps.get_model("registry", "Record")
    hashes = dict.fromkeys(("sha256", "root", "seal", "details_salt", "details_hash"), bytes(32))
    rows = [
        model(
            id=uuid.uuid4(),
            kind=0,
            length=0,
            details={},
            leaf=leaf,
            registered_at=NOW,
            batch=batch,
            index=None if batch is None else batch.first_index + position,
            **hashes,
        )
        for position, leaf in enumerate(leaves)
    ]
    model.objects.bulk_create(rows, batch_size=500)
