"""Sweeps and blocks ask for the few anchors that wait, and must not read all that ever were."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from chain.transactions import Coin, Output, build_transaction
from registry.models import Anchor, AnchorTransaction, Batch, Register
from registry.services.anchors import find_batch_to_anchor, send_anchors
from registry.services.batches import seal_due_batches
from registry.services.successions import continue_lost_batches
from tests.factories.registry import ANCHOR_KEY, make_document_record, make_node, make_register, mine_block
from tests.factories.users import NOW

ANCHORS = 3_000
ROWS_MAX = 200
"""What a statement may read of these tables: far below ANCHORS."""

STEPS_MAX = 4_000
"""Instructions of SQLite's machine for one statement. It needs several for each row."""

pytestmark = pytest.mark.django_db


@pytest.fixture
def long_chain() -> Register:
    """A register that succeeds another, each with thousands of final anchors."""
    old = make_register()
    register = Register.objects.create(
        network=old.network,
        first_txid="22" * 32,
        first_vout=0,
        first_value_sat=old.first_value_sat,
        first_script=bytes(old.first_script),
        founded_at=NOW,
        succeeds=old,
    )
    for owner in (old, register):
        write_final_anchors(owner)
    if connection.vendor == "postgresql":
        # As its autovacuum does. SQLite is left without statistics, as it is where the system runs.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return register


def write_final_anchors(register: Register) -> None:
    """Write batches of one leaf each whose anchors are final, without the chain that they would be in."""
    with transaction.atomic():
        batches = Batch.objects.bulk_create(make_batch(register, seq) for seq in range(ANCHORS))
        anchors = Anchor.objects.bulk_create(
            Anchor(batch=batch, state=Anchor.State.FINAL, height=1, block_hash=f"{1:064x}", changed_at=NOW)
            for batch in batches
        )
        template = make_raw()
        versions = AnchorTransaction.objects.bulk_create(
            AnchorTransaction(
                anchor=anchor,
                version=0,
                txid=hashlib.sha256(anchor.id.bytes).hexdigest(),
                raw=template,
                fee_sat=157,
                continuation_sat=1_000,
                signed_at=NOW,
            )
            for anchor in anchors
        )
        for anchor, version in zip(anchors, versions, strict=True):
            anchor.current = version
        Anchor.objects.bulk_update(anchors, ["current"], batch_size=500)


def make_batch(register: Register, seq: int) -> Batch:
    """Return a sealed batch of one leaf."""
    root = hashlib.sha256(register.id.bytes + seq.to_bytes(8)).digest()
    return Batch(
        register=register,
        seq=seq,
        first_index=seq,
        size=1,
        size_final=1,
        state=Batch.State.SEALED,
        previous_commitment=bytes(32),
        opened_at=NOW,
        root=root,
        subtree_roots=root,
        recent_block_hash=f"{1:064x}",
        commitment=root,
        sealed_at=NOW,
    )


def make_raw() -> bytes:
    """Return a transaction with a continuation, which is all that is read of it."""
    coin = Coin("33" * 32, 0, 2_000, ANCHOR_KEY.script_pubkey)
    return build_transaction(coins=[coin], outputs=[Output(1_000, ANCHOR_KEY.script_pubkey)], lock_time=0)


def reads_much(sql: str) -> bool:
    """Run a statement again, and return whether it reads a share of all anchors or batches."""
    if connection.vendor == "sqlite":
        return count_steps(sql) > STEPS_MAX
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql)
        [[[found]]] = cursor.fetchall()
    return count_rows(found["Plan"]) > ROWS_MAX


def count_steps(sql: str) -> int:
    """Return how many instructions SQLite executes for a statement, in hundreds."""
    ticks: list[None] = []
    connection.connection.set_progress_handler(lambda: ticks.append(None), 100)
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            cursor.fetchall()
    finally:
        connection.connection.set_progress_handler(None, 0)
    return len(ticks) * 100


def count_rows(plan: dict[str, Any]) -> int:
    """Return the rows that PostgreSQL took from tables for a plan, those that it threw away included."""
    own = 0
    if plan["Node Type"].endswith("Scan") and "Relation Name" in plan:
        own = int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return own + sum(count_rows(part) for part in plan.get("Plans", ()))


def explain(queryset: QuerySet[Any]) -> str:
    """Return the engine's plan."""
    return str(queryset.explain())


def seal() -> None:
    make_document_record(now=NOW)
    seal_due_batches(now=NOW)


SWEEPS: dict[str, Callable[[], object]] = {
    "send": lambda: send_anchors(node=make_node(), now=NOW),
    "seal": seal,
    "continue": lambda: continue_lost_batches(now=NOW),
    "block": lambda: mine_block([]),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_no_sweep_and_no_block_reads_all_anchors_or_batches(long_chain: Register, name: str):
    with CaptureQueriesContext(connection) as captured:
        SWEEPS[name]()

    statements = [query["sql"] for query in captured if re.search('"registry_(anchor|batch)"', query["sql"])]
    asked = [sql for sql in statements if sql.startswith(("SELECT", "UPDATE"))]
    assert asked
    assert [sql for sql in asked if reads_much(sql)] == []


@pytest.mark.usefixtures("long_chain")
def test_what_reads_much_is_found():
    """Passes if the measure that the other tests rely on finds a statement that goes through all anchors."""
    anchors = Anchor.objects.filter(batch__register__network="regtest", batch__size=2).order_by()
    with CaptureQueriesContext(connection) as captured:
        assert not anchors.exists()

    assert reads_much(captured[-1]["sql"])


@pytest.mark.usefixtures("long_chain")
def test_waiting_anchors_are_found_by_their_partial_indexes():
    waiting = Anchor.objects.filter(height=None).select_related("current", "batch__register").order_by()
    deep = Anchor.objects.filter(state=Anchor.State.MINED, height__lte=9).order_by()

    assert "registry_anchor_unmined" in explain(waiting)
    assert "registry_anchor_mined" in explain(deep.values_list("id", "batch__register__network"))


def test_the_next_batch_is_looked_for_behind_the_last_anchor(long_chain: Register):
    """Passes if the batch after thousands of final ones is the next to be anchored, and no other."""
    Batch.objects.bulk_create(make_batch(long_chain, seq) for seq in (ANCHORS, ANCHORS + 1))

    batch = find_batch_to_anchor(long_chain)

    assert batch is not None
    assert batch.seq == ANCHORS
