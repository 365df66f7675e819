"""The health check: it fails once anything waits too long, the chain is not followed, or the funds run out."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from chain.models import FollowerState
from registry.models import Anchor
from registry.rules.fees import CONTINUATION_SAT_MIN
from registry.selectors.registers import get_consumer
from tests.factories.registry import (
    FIRST_VALUE_SAT,
    make_anchor,
    make_claim,
    make_document_record,
    make_record,
    make_register,
    make_sealed_batch,
)
from users.models import User

pytestmark = pytest.mark.django_db
URL = "/api/v1/status"


def ago(seconds: int) -> datetime:
    """Return a time that long ago by the clock, which the view reads."""
    return timezone.now() - timedelta(seconds=seconds)


def follow(*, followed_at: datetime, **fields: Any) -> None:
    """Note that the registry followed the chain at a time."""
    FollowerState.objects.update_or_create(consumer=get_consumer(), defaults={"followed_at": followed_at, **fields})


def read_reasons() -> list[str]:
    """Return the codes of what is wrong; the status agrees with whether there are any."""
    answer = Client().get(URL)
    codes = [reason["code"] for reason in answer.json()["reasons"]]
    assert (answer.status_code, answer.json()["is_healthy"]) == ((503, False) if codes else (200, True))
    return codes


def test_an_empty_server_is_healthy():
    answer = Client().get(URL)

    assert (answer.status_code, answer.json()["is_healthy"]) == (200, True)
    assert answer.json()["oldest_unanchored_seconds"] == 0
    assert answer.json()["funds"] is None


def test_it_fails_once_a_record_has_waited_too_long_for_its_anchor(settings: Settings):
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 600
    # The oldest comes first, as time has it: what is asked is how long the first in line has waited.
    make_document_record(now=ago(590))
    make_document_record(now=ago(580))
    assert read_reasons() == []
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 580

    answer = Client().get(URL)

    assert answer.status_code == 503
    assert answer.json()["oldest_unanchored_seconds"] >= 590
    waiting = {queue["queue"]: queue for queue in answer.json()["waiting"]}
    assert (waiting["records"]["count"], waiting["records"]["sweep"]) == (2, "registry.seal_batches")
    assert [reason["code"] for reason in answer.json()["reasons"]] == ["unanchored", "waiting"]


@pytest.mark.parametrize("state", [Anchor.State.SIGNED, Anchor.State.BROADCAST])
def test_it_fails_once_an_anchor_has_waited_too_long(settings: Settings, state: Anchor.State):
    follow(followed_at=timezone.now())
    make_anchor(state=state, now=ago(700))
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 720
    assert read_reasons() == []
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 600

    assert read_reasons() == ["unanchored", "waiting"]


def test_what_waits_for_a_person_is_no_failure(settings: Settings, alice: User, bob: User):
    follow(followed_at=timezone.now())
    record = make_record(bob, now=ago(9_000))
    make_claim(alice, record=record, now=ago(8_000))
    make_anchor(state=Anchor.State.FINAL, now=ago(7_000))
    settings.CADASTRE_HEALTH_WAIT_SECONDS = 60

    waiting = {queue["queue"]: queue for queue in Client().get(URL).json()["waiting"]}

    assert waiting["claims"]["oldest_seconds"] >= 8_000
    assert read_reasons() == []


def test_a_register_whose_chain_was_never_followed_fails_after_its_time(settings: Settings):
    settings.CADASTRE_HEALTH_CHAIN_SECONDS = 900
    make_register(now=ago(890))
    assert read_reasons() == []
    settings.CADASTRE_HEALTH_CHAIN_SECONDS = 880

    assert read_reasons() == ["chain-not-followed"]


def test_blocks_whose_following_was_never_noted_do_not_count_as_followed(settings: Settings):
    """Passes if a consumer that has a state, but none that says when it followed, is late from the founding on."""
    settings.CADASTRE_HEALTH_CHAIN_SECONDS = 880
    make_register(now=ago(890))
    FollowerState.objects.create(consumer=get_consumer())

    assert read_reasons() == ["chain-not-followed"]


def test_it_fails_once_the_chain_has_not_been_followed_for_too_long():
    make_register(now=ago(100_000))
    follow(followed_at=ago(1_700))
    assert read_reasons() == []
    FollowerState.objects.update(followed_at=ago(1_900))

    assert read_reasons() == ["chain-not-followed"]


def test_it_says_what_keeps_the_chain_from_being_followed_and_not_where_the_node_is():
    make_register()
    problem, detail = "NodeUnavailableError", "http://10.0.0.7 is silent"
    follow(followed_at=ago(1_900), failing_since=ago(990), problem=problem, detail=detail)

    answer = Client().get(URL)

    assert "limit is 1,800: NodeUnavailableError" in answer.json()["reasons"][0]["detail"]
    assert answer.json()["followers"][0]["problem"] == "NodeUnavailableError"
    assert "10.0.0.7" not in answer.content.decode()


def test_what_only_an_operator_can_solve_fails_at_once():
    make_register()
    follow(followed_at=ago(10), failing_since=ago(5), problem="NetworkError", needs_operator=True)

    assert read_reasons() == ["chain-needs-operator"]


def test_it_fails_once_the_funds_pay_for_too_few_anchors(settings: Settings):
    follow(followed_at=timezone.now())
    anchor = make_anchor(state=Anchor.State.FINAL)
    assert anchor.current is not None
    left_sat = FIRST_VALUE_SAT - anchor.current.fee_sat
    affordable = (left_sat - CONTINUATION_SAT_MIN) // anchor.current.fee_sat
    settings.CADASTRE_HEALTH_FUNDS_ANCHORS = affordable
    assert read_reasons() == []
    settings.CADASTRE_HEALTH_FUNDS_ANCHORS = affordable + 1

    assert read_reasons() == ["funds-low"]
    assert Client().get(URL).json()["funds"] == {
        "funds_sat": left_sat,
        "stranded_sat": 0,
        "anchor_cost_sat": anchor.current.fee_sat,
        "anchors_affordable": affordable,
    }


def test_it_fails_once_the_cap_leaves_less_than_an_anchor_costs(settings: Settings):
    now = timezone.now()
    follow(followed_at=now)
    anchor = make_anchor(state=Anchor.State.FINAL, now=now)
    assert anchor.current is not None
    settings.CADASTRE_ANCHOR_DAILY_CAP_SAT = 2 * anchor.current.fee_sat
    assert read_reasons() == []
    settings.CADASTRE_ANCHOR_DAILY_CAP_SAT -= 1

    assert read_reasons() == ["daily-cap"]


def test_it_fails_once_an_anchor_waits_too_long_for_its_confirmations(settings: Settings):
    now = timezone.now()
    follow(followed_at=now)
    anchor = make_anchor(state=Anchor.State.MINED)
    limit = timedelta(seconds=settings.CADASTRE_HEALTH_WAIT_SECONDS)
    Anchor.objects.filter(id=anchor.id).update(changed_at=now - limit + timedelta(seconds=60))
    assert read_reasons() == []
    Anchor.objects.filter(id=anchor.id).update(changed_at=now - limit - timedelta(seconds=60))

    assert read_reasons() == ["waiting"]


def test_an_anchor_is_reckoned_at_the_operators_floor_if_the_last_one_paid_less(settings: Settings):
    make_anchor(state=Anchor.State.FINAL)
    settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB = 10_000

    assert Client().get(URL).json()["funds"]["anchor_cost_sat"] == 1_570


def test_asking_takes_the_same_number_of_queries_whatever_waits(django_assert_num_queries: DjangoAssertNumQueries):
    make_sealed_batch()
    with CaptureQueriesContext(connection) as few:
        Client().get(URL)
    for _ in range(5):
        make_anchor()
        make_document_record()
    make_sealed_batch()

    with django_assert_num_queries(len(few)):
        Client().get(URL)
