"""The metrics that Prometheus asks for."""

import re
from pathlib import Path

import pytest
from django.test import Client

from chain.models import FollowerState
from registry.models import Anchor
from registry.rules.fees import CONTINUATION_SAT_MIN
from registry.selectors.registers import get_consumer
from tests.factories.registry import FIRST_VALUE_SAT, make_anchor, make_document_record, make_sealed_batch
from tests.factories.users import NOW, make_client, make_user
from tests.web.readers import Labels, read_metrics
from users.models import User
from users.scopes import Scope

pytestmark = pytest.mark.django_db
URL = "/metrics"
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "metrics.md"


@pytest.fixture
def prometheus(db: None) -> Client:
    """Prometheus, with the token of a staff user that may do nothing else."""
    return make_client(make_user("olga", is_staff=True), scopes=[Scope.METRICS_READ])


def read(client: Client) -> dict[tuple[str, Labels], int]:
    """Return all samples."""
    return read_metrics(client.get(URL).content.decode())


def test_an_empty_server_has_metrics_already(prometheus: Client):
    answer = prometheus.get(URL)

    samples = read_metrics(answer.content.decode())
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert samples["cadastre_healthy", ()] == 1
    assert samples["cadastre_founded", ()] == 0
    assert samples["cadastre_oldest_unanchored_seconds", ()] == 0
    assert ("cadastre_anchors_affordable", ()) not in samples


def test_without_a_token_nothing_is_told(client: Client):
    answer = client.get(URL)

    assert (answer.status_code, answer.json()["code"]) == (401, "token-missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_carol_cannot_read_them_though_her_token_has_every_scope(carol: User):
    answer = make_client(carol).get(URL)

    assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")
    assert answer.json()["detail"] == "Only staff may read this."


def test_a_staff_users_token_without_the_scope_cannot_read_them(db: None):
    answer = make_client(make_user("olga", is_staff=True), scopes=[Scope.ACCOUNT_READ]).get(URL)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


def test_the_anchors_and_their_money_are_counted(prometheus: Client):
    first = make_anchor(state=Anchor.State.FINAL)
    second = make_anchor(state=Anchor.State.BROADCAST)
    make_document_record()

    samples = read(prometheus)

    assert first.current is not None
    assert second.current is not None
    fees = [first.current.fee_sat, second.current.fee_sat]
    left = FIRST_VALUE_SAT - sum(fees)
    assert samples["cadastre_anchors", (("state", "FINAL"),)] == 1
    assert samples["cadastre_anchors", (("state", "BROADCAST"),)] == 1
    assert samples["cadastre_last_anchor_height", ()] == first.height
    assert samples["cadastre_last_anchor_confirmations", ()] == 6
    assert samples["cadastre_anchor_funds_sat", (("part", "continuation"),)] == left
    assert samples["cadastre_anchor_funds_sat", (("part", "top_ups"),)] == 0
    assert samples["cadastre_anchor_stranded_sat", ()] == 0
    assert samples["cadastre_anchor_fees_spent_sat", ()] == fees[0]
    assert samples["cadastre_anchor_cost_sat", ()] == fees[1]
    assert samples["cadastre_anchors_affordable", ()] == (left - CONTINUATION_SAT_MIN) // fees[1]
    assert samples["cadastre_anchor_daily_cap_sat", ()] == 200_000
    assert samples["cadastre_followed_height", (("consumer", "registry"),)] == (first.height or 0) + 5
    assert samples["cadastre_queue_rows", (("queue", "records"), ("sweep", "registry.seal_batches"))] == 1
    assert samples["cadastre_oldest_unanchored_seconds", ()] > 0


def test_what_keeps_the_chain_from_being_followed_is_named(prometheus: Client):
    make_sealed_batch()
    problem = {"failing_since": NOW, "problem": "NodeUnavailableError"}
    FollowerState.objects.update_or_create(consumer=get_consumer(), defaults=problem)

    samples = read(prometheus)

    assert samples["cadastre_follower_problem", (("consumer", "registry"), ("problem", "NodeUnavailableError"))] == 1
    assert samples["cadastre_healthy", ()] == 0


def test_every_metric_is_documented_and_no_other(prometheus: Client):
    make_anchor(state=Anchor.State.FINAL)
    problem = {"failing_since": NOW, "problem": "NodeUnavailableError"}
    FollowerState.objects.update_or_create(consumer=get_consumer(), defaults=problem)

    written = {name for name, _ in read(prometheus)}
    documented = set(re.findall(r"^\| `(cadastre_[a-z_]+)`", REFERENCE.read_text(), re.MULTILINE))

    assert documented == written


def test_every_queue_is_documented(prometheus: Client):
    queues = {dict(labels)["queue"] for name, labels in read(prometheus) if name == "cadastre_queue_rows"}

    assert (
        set(re.findall(r"^\| `([a-z_]+)` \| `(?:[a-z]+\.[a-z_]+|review)` \|", REFERENCE.read_text(), re.MULTILINE))
        == queues
    )
