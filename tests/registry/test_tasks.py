"""The registry's sweeps: each may run twice, and none fails for what only time or the operator can change."""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from celery import Task, signals
from django.utils import timezone
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.models import FollowedBlock
from chain.networks import REGTEST
from config.celery import app
from registry import tasks
from registry.models import Anchor, AnchorTransaction, Batch, Record, Register
from registry.services.anchors import send_anchors
from registry.services.batches import CONSUMER, seal_batch
from tests.factories.registry import ANCHOR_KEY, FIRST_VALUE_SAT, make_document_record, make_sealed_batch
from tests.factories.storage import make_blob, make_link
from tests.factories.users import make_user
from tests.registry.conftest import NOW, FoundedRegister

NAMES = {"registry.register_blobs", "registry.seal_batches", "registry.send_anchors", "registry.follow_chain"}
NODE_SWEEPS = (tasks.send_anchors_task, tasks.follow_chain_task)

pytestmark = pytest.mark.django_db


@pytest.fixture
def unavailable_url() -> Iterator[str]:
    """The address of a node that is not there: a port that is taken, but nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://cadastre:cadastre@127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def watch_runs(task: "Task[..., None]", before_run: Callable[[int], None] = lambda _: None) -> Iterator[list[int]]:
    """Note each run of a task, a retry too, and call `before_run` with its number, 1 for the first."""
    runs: list[int] = []

    def note(**_: object) -> None:
        runs.append(len(runs) + 1)
        before_run(runs[-1])

    signals.task_prerun.connect(note, sender=task)
    try:
        yield runs
    finally:
        signals.task_prerun.disconnect(note, sender=task)


def test_every_sweep_has_the_name_that_the_schedule_knows():
    assert set(app.tasks) >= NAMES
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {name for name in scheduled if name.startswith("registry.")} >= NAMES


def test_registering_twice_makes_one_record_of_each_blob():
    bob = make_user("bob")
    blobs = [make_blob(content, now=NOW) for content in (b"one", b"two")]
    for blob in blobs:
        make_link(bob, blob=blob, now=NOW)
    before = timezone.now()

    tasks.register_blobs_task()
    first = list(Record.objects.order_by("id").values())
    tasks.register_blobs_task()

    assert {row["blob_id"] for row in first} == {blob.id for blob in blobs}
    assert all(before <= row["registered_at"] <= timezone.now() for row in first)
    assert list(Record.objects.order_by("id").values()) == first


def test_sealing_twice_makes_one_batch(founded: FoundedRegister):
    records = [make_document_record(now=NOW) for _ in range(3)]

    tasks.seal_batches_task()
    first = list(Batch.objects.values())
    tasks.seal_batches_task()

    assert [(row["seq"], row["size"]) for row in first] == [(0, 3)]
    assert list(Batch.objects.values()) == first
    assert set(Record.objects.filter(batch=first[0]["id"])) == set(records)


def test_a_record_that_is_young_and_alone_is_not_sealed_yet(founded: FoundedRegister, settings: Settings):
    settings.CADASTRE_SEAL_AGE_SECONDS = 3_600
    make_document_record(now=timezone.now())

    tasks.seal_batches_task()

    assert not Batch.objects.exists()


def test_sending_twice_signs_one_anchor_and_the_node_has_it(founded: FoundedRegister):
    make_document_record(now=NOW)
    seal_batch(now=NOW)

    tasks.send_anchors_task()
    first = list(AnchorTransaction.objects.values())
    tasks.send_anchors_task()

    assert list(AnchorTransaction.objects.values()) == first
    [version] = first
    assert Anchor.objects.get().state == Anchor.State.BROADCAST
    assert founded.node.get_mempool_entry(version["txid"]) is not None


def test_following_twice_moves_an_anchor_once(founded: FoundedRegister):
    make_document_record(now=NOW)
    seal_batch(now=NOW)
    send_anchors(node=founded.node, now=NOW)
    [block_hash] = founded.wallet.mine(1)

    tasks.follow_chain_task()
    first = Anchor.objects.values().get()
    followed = FollowedBlock.objects.filter(consumer=CONSUMER).count()
    tasks.follow_chain_task()

    assert (first["state"], first["block_hash"]) == (Anchor.State.MINED, block_hash)
    assert Anchor.objects.values().get() == first
    assert FollowedBlock.objects.filter(consumer=CONSUMER).count() == followed


@pytest.mark.parametrize("sweep", NODE_SWEEPS, ids=lambda task: task.name)
def test_an_unavailable_node_is_tried_again_and_then_given_up(
    founded: FoundedRegister, settings: Settings, unavailable_url: str, sweep: "Task[..., None]"
):
    make_document_record(now=NOW)
    seal_batch(now=NOW)
    settings.CADASTRE_NODE_URL = unavailable_url

    with watch_runs(sweep) as runs:
        result = sweep.apply()

    assert runs == [1, 2, 3, 4]
    assert isinstance(result.result, NodeUnavailableError)
    assert not Anchor.objects.filter(state=Anchor.State.MINED).exists()


def test_a_node_that_comes_back_is_found_by_the_retry(
    founded: FoundedRegister, settings: Settings, unavailable_url: str
):
    make_document_record(now=NOW)
    seal_batch(now=NOW)
    available_url, settings.CADASTRE_NODE_URL = settings.CADASTRE_NODE_URL, unavailable_url

    def bring_back(run: int) -> None:
        if run == 3:
            settings.CADASTRE_NODE_URL = available_url

    with watch_runs(tasks.send_anchors_task, bring_back) as runs:
        tasks.send_anchors_task.apply()

    assert runs == [1, 2, 3]
    assert Anchor.objects.get().state == Anchor.State.BROADCAST
    assert AnchorTransaction.objects.count() == 1


def test_without_a_register_records_wait_and_the_log_says_so(settings: Settings, caplog: pytest.LogCaptureFixture):
    settings.CADASTRE_SEAL_AGE_SECONDS = 0
    record = make_document_record(now=NOW)

    with caplog.at_level(logging.WARNING, logger="registry.tasks"):
        tasks.seal_batches_task()

    record.refresh_from_db()
    assert record.batch is None
    assert [(line.name, line.levelno) for line in caplog.records] == [("registry.tasks", logging.WARNING)]


def test_while_the_chain_is_still_being_read_records_wait_and_the_log_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture
):
    settings.CADASTRE_SEAL_AGE_SECONDS = 0
    Register.objects.create(
        network=REGTEST.name,
        first_txid="11" * 32,
        first_vout=0,
        first_value_sat=FIRST_VALUE_SAT,
        first_script=ANCHOR_KEY.script_pubkey,
        founded_at=NOW,
    )
    record = make_document_record(now=NOW)

    with caplog.at_level(logging.WARNING, logger="registry.tasks"):
        tasks.seal_batches_task()

    record.refresh_from_db()
    assert record.index is None
    assert [(line.name, line.levelno) for line in caplog.records] == [("registry.tasks", logging.WARNING)]


def test_without_the_anchor_key_a_batch_waits_and_the_log_says_so(settings: Settings, caplog: pytest.LogCaptureFixture):
    make_sealed_batch()
    settings.CADASTRE_ANCHOR_KEY = ""

    with caplog.at_level(logging.INFO, logger="registry.tasks"):
        tasks.send_anchors_task()

    assert not Anchor.objects.exists()
    assert [line.name for line in caplog.records] == ["registry.tasks"]


@pytest.mark.parametrize(
    "sweep",
    [tasks.register_blobs_task, tasks.seal_batches_task, tasks.send_anchors_task],
    ids=lambda task: task.name,
)
def test_a_sweep_with_nothing_due_does_nothing(sweep: "Task[..., None]", caplog: pytest.LogCaptureFixture):
    sweep()

    assert not Record.objects.exists()
    assert not Batch.objects.exists()
    assert caplog.records == []
