"""The registry's sweeps: each may run twice, and none fails for what only time or the operator can change."""

import pytest
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.keys import Key
from chain.networks import REGTEST
from config.celery import app
from registry import tasks
from registry.models import Anchor, AnchorTransaction, Record
from registry.services.batches import seal_batch
from tests.factories.registry import make_document_record
from tests.registry.conftest import NOW, FoundedRegister

OTHER_KEY = Key.from_secret(b"a key that no anchor pays.......")
NAMES = {"registry.register_blobs", "registry.seal_batches", "registry.send_anchors", "registry.follow_chain"}


def test_every_sweep_has_the_name_that_the_schedule_knows():
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {name for name in scheduled if name.startswith("registry.")} == NAMES
    assert set(app.tasks) >= NAMES


def test_every_sweep_may_run_twice(founded: FoundedRegister):
    make_document_record(now=NOW)
    for _ in range(2):
        tasks.register_blobs_task()
        tasks.seal_batches_task()
        tasks.send_anchors_task()
    founded.wallet.mine(1)
    for _ in range(2):
        tasks.follow_chain_task()

    assert Record.objects.count() == AnchorTransaction.objects.count() == 1
    assert Anchor.objects.get().state == Anchor.State.MINED


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CADASTRE_ANCHOR_DAILY_CAP_SAT", 1, "would exceed the cap"),
        ("CADASTRE_ANCHOR_KEY", OTHER_KEY.to_wif(REGTEST), "is the key that the last anchor pays"),
        ("CADASTRE_FEE_RATE_MIN_SAT_PER_KVB", 10**12, "the next one costs"),
        ("CADASTRE_ANCHOR_KEY", "", "no anchor key"),
    ],
)
def test_an_anchor_that_has_to_wait_is_said_and_ends_no_sweep(
    founded: FoundedRegister,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    name: str,
    value: str | int,
    message: str,
):
    caplog.set_level("INFO")
    make_document_record(now=NOW)
    seal_batch(now=NOW)
    settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB = 10**12
    kept = getattr(settings, name)
    setattr(settings, name, value)

    tasks.send_anchors_task()

    assert message in caplog.text
    assert not Anchor.objects.exists()
    setattr(settings, name, kept)
    tasks.send_anchors_task()
    assert Anchor.objects.get().state == Anchor.State.BROADCAST


def test_records_that_no_register_takes_are_said(db: None, caplog: pytest.LogCaptureFixture):
    make_document_record()

    tasks.seal_batches_task()

    assert "Records wait to be sealed" in caplog.text


@pytest.mark.django_db
def test_a_node_that_is_away_is_asked_again(settings: Settings):
    settings.CADASTRE_NODE_URL = "http://cadastre:cadastre@127.0.0.1:9"

    with pytest.raises(NodeUnavailableError):
        tasks.follow_chain_task.run()
