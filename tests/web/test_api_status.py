"""The health check: it fails once anything has waited too long."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from tests.factories.registry import make_document_record

pytestmark = pytest.mark.django_db
URL = "/api/v1/status"


def test_an_empty_server_is_healthy():
    answer = Client().get(URL)

    assert (answer.status_code, answer.json()["is_healthy"]) == (200, True)
    assert answer.json()["oldest_unanchored_seconds"] == 0


def test_it_fails_once_a_record_has_waited_too_long_for_its_anchor(settings: Settings):
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 600
    make_document_record(now=timezone.now() - timedelta(seconds=590))
    assert Client().get(URL).status_code == 200
    make_document_record(now=timezone.now() - timedelta(seconds=580))
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 585

    answer = Client().get(URL)

    assert answer.status_code == 503
    assert answer.json()["oldest_unanchored_seconds"] >= 590
    assert answer.json()["waiting"][0]["count"] == 2
