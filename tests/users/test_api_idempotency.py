"""Idempotency-Key over HTTP, on a view of the test's own."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.factories.users import make_client, make_user
from users.api.idempotency import idempotent
from users.api.permissions import HasToken
from users.errors import UsernameTakenError
from users.models import IdempotencyKey
from users.services.idempotency import claim_key

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class Counter(APIView):
    """Counts how often it was asked, and fails as it is told."""

    permission_classes = (HasToken,)
    asked = 0

    @idempotent
    def post(self, request: Request) -> Response:
        """Answer with the count."""
        Counter.asked += 1
        fail = dict(request.data).get("fail", "")
        failure = FAILURES.get(fail)
        if failure is not None:
            raise failure()
        if fail == "unavailable":
            return Response({"asked": Counter.asked}, status=503)
        return Response({"asked": Counter.asked}, status=201)


FAILURES: dict[str, Callable[[], Exception]] = {
    "domain": UsernameTakenError,
    "input": lambda: serializers.ValidationError({"name": ["no"]}),
    "bug": lambda: RuntimeError("secret"),
}
urlpatterns = [path("api/count", Counter.as_view()), path("api/count2", Counter.as_view())]
handler500 = "config.problems.server_error"


def ask(client: Client, document: object = None, *, key: str | None = "k", to: str = "/api/count"):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(to, document or {}, content_type="application/json", headers=headers)


@pytest.fixture
def bob() -> Client:
    Counter.asked = 0
    client = make_client(make_user())
    client.raise_request_exception = False
    return client


def test_the_same_request_is_carried_out_once_and_answered_alike(bob: Client):
    answers = [ask(bob) for _ in range(3)]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(201, {"asked": 1})] * 3
    assert Counter.asked == 1


@pytest.mark.parametrize(
    ("key", "code"), [(None, "missing"), ("", "malformed"), ("a b", "malformed"), ("x" * 201, "malformed")]
)
def test_a_request_without_a_proper_key_is_refused(bob: Client, key: str | None, code: str):
    answer = ask(bob, key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, f"idempotency-key-{code}")
    assert Counter.asked == 0


def test_a_key_is_not_good_for_another_body_or_address(bob: Client):
    ask(bob)

    for answer in (ask(bob, {"other": 1}), ask(bob, to="/api/count2")):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert Counter.asked == 1


@pytest.mark.parametrize(("fail", "status"), [("domain", 409), ("input", 400)])
def test_a_refusal_is_stored_as_a_problem_too(bob: Client, fail: str, status: int):
    first, second = (ask(bob, {"fail": fail}) for _ in range(2))

    assert first.status_code == second.status_code == status
    assert first.json() == second.json()
    assert second.headers["Content-Type"] == "application/problem+json"
    assert Counter.asked == 1


@pytest.mark.parametrize(("fail", "status"), [("bug", 500), ("unavailable", 503)])
def test_a_failure_of_the_server_is_never_stored(bob: Client, fail: str, status: int):
    answers = [ask(bob, {"fail": fail}) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert Counter.asked == 2
    assert not IdempotencyKey.objects.exists()


def test_a_request_in_flight_answers_409(bob: Client):
    ask(bob, key="other")
    row = IdempotencyKey.objects.get()
    claim_key(user_id=row.user_id, key="k", path=row.path, body_sha256=bytes(row.body_sha256), now=row.created_at)

    answer = ask(bob)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-flight")
    assert answer.headers["Retry-After"] == "1"


def test_carol_gets_nothing_of_bobs_answer(bob: Client):
    ask(bob)

    assert ask(make_client(make_user("carol"))).json() == {"asked": 2}
    assert ask(Client()).status_code == 401
