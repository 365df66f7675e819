"""Sweeps whose anchor has to wait: each says why, ends well, and goes on once it can."""

import pytest
from pytest_django.fixtures import Settings

from chain.keys import Key
from chain.networks import REGTEST
from registry import tasks
from registry.models import Anchor
from registry.services.batches import seal_batch
from tests.factories.registry import make_document_record
from tests.registry.conftest import NOW, FoundedRegister

OTHER_KEY = Key.from_secret(b"a key that no anchor pays.......")


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
