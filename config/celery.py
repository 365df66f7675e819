"""The Celery application and its schedule. Rows say what is due and tasks sweep them: a lost message loses nothing."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_init
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

EMBEDDED = "embedded"
TRANSPORT_ALIASES[EMBEDDED] = "config.embedded_broker:Transport"

SWEEPS = (
    "storage.expire_uploads",
    "storage.expire_multiparts",
    "storage.verify_multiparts",
    "storage.clear_multiparts",
    "storage.release_links",
    "registry.register_blobs",
    "registry.seal_batches",
    "registry.send_anchors",
    "registry.follow_chain",
    "payouts.follow_chain",
    "payouts.close_transfers",
    "payouts.refund_ended_links",
    "payouts.close_windows",
    "payouts.settle_windows",
    "payouts.make_statements",
    "payouts.make_payouts",
    "payouts.send_payouts",
)

app = Celery("cadastre")
app.conf.update(
    broker_url=settings.CADASTRE_BROKER_URL,
    broker_connection_retry_on_startup=True,
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="cadastre",
    task_time_limit=None,
    timezone="UTC",
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_prefetch_multiplier=1,
    beat_schedule={
        # A sweep that waited longer than one period is dropped: the next one is already there.
        name: {
            "task": name,
            "schedule": settings.CADASTRE_SWEEP_SECONDS,
            "options": {"expires": settings.CADASTRE_SWEEP_SECONDS},
        }
        for name in SWEEPS
    },
)
app.autodiscover_tasks()


@worker_init.connect
def refuse_prefork_without_a_server(sender: Any = None, **_: Any) -> None:
    """Refuse to start a prefork pool on the embedded transport.

    Killing an idle prefork child there leaves the pool stuck for ever. Raises ImproperlyConfigured.
    """
    is_embedded = settings.CADASTRE_BROKER_URL.startswith((f"{EMBEDDED}+", "sqla+"))
    if is_embedded and "prefork" in str(getattr(sender, "pool_cls", "")):
        raise ImproperlyConfigured("The embedded broker needs --pool threads; prefork needs Redis or RabbitMQ.")
