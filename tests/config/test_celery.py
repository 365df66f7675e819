"""The schedule, the embedded broker, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from celery import Celery
from django.core.exceptions import ImproperlyConfigured
from kombu import Connection
from pytest_django.fixtures import Settings

from config.celery import SWEEPS, app, refuse_prefork_without_a_server


def test_every_sweep_is_a_task_that_exists():
    app.loader.import_default_modules()

    assert set(SWEEPS) <= set(app.tasks)


def test_every_task_of_ours_is_swept():
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith("celery.")}

    assert ours == set(SWEEPS)


def test_the_embedded_broker_refuses_a_prefork_pool(settings: Settings):
    settings.CADASTRE_BROKER_URL = "embedded+sqlite:///broker.sqlite3"
    worker = SimpleNamespace(pool_cls="celery.concurrency.prefork:TaskPool")

    with pytest.raises(ImproperlyConfigured, match="--pool threads"):
        refuse_prefork_without_a_server(sender=worker)


@pytest.mark.parametrize(
    ("url", "pool"),
    [("embedded+sqlite:///broker.sqlite3", "celery.concurrency.thread:TaskPool"), ("redis://", "prefork:TaskPool")],
)
def test_other_pools_and_brokers_start(url: str, pool: str, settings: Settings):
    settings.CADASTRE_BROKER_URL = url

    refuse_prefork_without_a_server(sender=SimpleNamespace(pool_cls=pool))


def test_the_embedded_broker_delivers_once_and_keeps_nothing_delivered(tmp_path: Path):
    # Unless told not to, a new application becomes the one that every later test of this process takes for ours.
    sender = Celery("sender", broker=f"embedded+sqlite:///{tmp_path}/broker.sqlite3", set_as_current=False)
    sender.conf.task_default_queue = "queue"
    sender.send_task("first")
    with Connection(sender.conf.broker_url) as connection, connection.SimpleQueue("queue") as queue:
        message = queue.get(timeout=5)
        assert message.headers["task"] == "first"
        message.ack()
        with pytest.raises(queue.Empty):
            queue.get(timeout=0.5)

        sender.send_task("second")

        channel = connection.default_channel
        assert channel._query_all("queue").count() == 1  # type: ignore[attr-defined]  # kombu has it
