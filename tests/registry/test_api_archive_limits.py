"""The limits of archives: Carol, a stranger, can neither hold all threads of the server nor ask without end."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.http import HttpResponseBase, StreamingHttpResponse
from django.test import Client, RequestFactory
from pytest_django.fixtures import Settings
from rest_framework.throttling import ScopedRateThrottle

from registry.api.archive_slots import ArchiveBody
from registry.api.batches import BatchProofsView
from registry.errors import ArchivesBusyError
from registry.models import Anchor
from registry.services import anchors
from registry.services.batches import seal_batch
from tests.factories.registry import make_document_record, make_sealed_batch
from tests.registry.conftest import NOW, FoundedRegister

URL = "/api/v1/batches/0/proofs"


@pytest.fixture(autouse=True)
def fresh_throttles() -> Iterator[None]:
    """Forget what other tests asked for."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def mined(founded: FoundedRegister) -> FoundedRegister:
    make_document_record(now=NOW)
    seal_batch(now=NOW)
    anchors.send_anchors(node=founded.node, now=NOW)
    founded.mine(1)
    assert Anchor.objects.get().height is not None
    return founded


@pytest.mark.django_db
def test_an_address_gets_so_many_archives_an_hour(monkeypatch: pytest.MonkeyPatch):
    make_sealed_batch()
    monkeypatch.setitem(ScopedRateThrottle.THROTTLE_RATES, "archives", "2/hour")
    carol = [Client().get(URL) for _ in range(3)]

    assert [answer.status_code for answer in carol] == [409, 409, 429]
    assert carol[2].json()["code"] == "throttled"
    assert int(carol[2]["Retry-After"]) > 0
    assert Client(REMOTE_ADDR="192.0.2.7").get(URL).status_code == 409
    assert Client().get("/api/v1/batches/0").status_code == 200


@pytest.mark.django_db
def test_an_address_gets_the_anchors_file_so_often_an_hour(monkeypatch: pytest.MonkeyPatch, founded: FoundedRegister):
    monkeypatch.setitem(ScopedRateThrottle.THROTTLE_RATES, "anchors", "2/hour")
    carol = [Client().get("/api/v1/anchors") for _ in range(3)]

    assert [answer.status_code for answer in carol] == [200, 200, 429]
    assert Client(REMOTE_ADDR="192.0.2.7").get("/api/v1/anchors").status_code == 200


@pytest.mark.django_db
def test_the_settings_say_how_many_an_hour(settings: Settings):
    rates = ScopedRateThrottle.THROTTLE_RATES
    assert rates["archives"] == f"{settings.CADASTRE_ARCHIVES_PER_HOUR}/hour"
    assert rates["anchors"] == f"{settings.CADASTRE_ANCHORS_FILES_PER_HOUR}/hour"


@pytest.mark.django_db
def test_an_address_reads_one_archive_at_a_time(mined: FoundedRegister):
    reading = Client().get(URL)

    second = Client().get(URL)

    assert (second.status_code, second.json()["code"], second["Retry-After"]) == (503, "archives-busy", "30")
    # The client closes an answer once it is read.
    assert reading.getvalue()[:2] == b"PK"
    again = Client().get(URL)
    assert (again.status_code, again.getvalue()[:2]) == (200, b"PK")


@pytest.mark.django_db
def test_head_has_nothing_written(mined: FoundedRegister):
    answer: HttpResponseBase = BatchProofsView.as_view()(RequestFactory().head(URL), seq=0)

    assert isinstance(answer, StreamingHttpResponse)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer.getvalue() == b""
    answer.close()


def test_a_process_sends_no_more_archives_than_the_settings_say(settings: Settings):
    settings.CADASTRE_ARCHIVES_AT_ONCE = 2
    bodies = [ArchiveBody(iter([b"a"]), reader=reader) for reader in ("192.0.2.1", "192.0.2.2")]

    with pytest.raises(ArchivesBusyError):
        ArchiveBody(iter([]), reader="192.0.2.3")

    bodies[0].close()
    bodies[0].close()
    bodies[0] = ArchiveBody(iter([b"b"]), reader="192.0.2.3")
    assert [b"".join(body) for body in bodies] == [b"b", b"a"]
    for body in bodies:
        body.close()
