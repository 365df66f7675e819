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

from registry.models import Batch
from registry.proof.merkle import merkle_root
from registry.selectors.paths import get_path, split_hashes
from registry.selectors.records import get_record
from tests.factories.users import NOW

BEFORE = ("registry", "0002_append_only")
AFTER = ("registry", "0003_open_batches")
SIZES = (1, 1_500)


@pytest.fixture
def migrate(transactional_db: None) -> Iterator[Callable[[tuple[str, str]], StateApps]]:
    """Migrate to a state and return its models; afterwards to the newest again."""

    def run(target: tuple[str, str]) -> StateApps:
        executor = MigrationExecutor(connection)
        executor.migrate([target])
        return MigrationExecutor(connection).loader.project_state([target]).apps

    yield run
    call_command("migrate", verbosity=0)


def test_batches_that_were_sealed_before_keep_their_proofs(migrate: Callable[[tuple[str, str]], StateApps]):
    old = migrate(BEFORE)
    make_old_batches(old)

    migrate(AFTER)

    assert [batch.state for batch in Batch.objects.order_by("seq")] == [Batch.State.SEALED] * len(SIZES)
    assert [(batch.size, batch.size_final) for batch in Batch.objects.order_by("seq")] == [(n, n) for n in SIZES]
    assert {batch.opened_at for batch in Batch.objects.all()} == {NOW}
    batch = Batch.objects.get(seq=1)
    assert merkle_root(split_hashes(bytes(batch.subtree_roots))) == bytes(batch.root)
    record = get_record(batch.records.get(index=1_400).id)
    assert len(get_path(record)) == 10


def make_old_batches(apps: StateApps) -> None:
    """Write a register with two batches as the schema before had them."""
    register = apps.get_model("registry", "Register").objects.create(
        id=uuid.uuid4(),
        network="regtest",
        first_txid="11" * 32,
        first_vout=0,
        first_value_sat=1,
        first_script=b"",
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


def add_records(apps: StateApps, batch: Any, leaves: list[bytes]) -> None:
    """Write a record for each leaf."""
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
            index=batch.first_index + position,
            **hashes,
        )
        for position, leaf in enumerate(leaves)
    ]
    model.objects.bulk_create(rows, batch_size=500)
