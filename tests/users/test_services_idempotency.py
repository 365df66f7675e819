"""The life of an Idempotency-Key, races and crashes included."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection

from tests.factories.users import NOW, make_user
from users.errors import IdempotencyKeyInFlightError, IdempotencyKeyReusedError
from users.models import IdempotencyKey
from users.services.idempotency import (
    IN_FLIGHT_TIMEOUT,
    Claim,
    StoredAnswer,
    _insert,
    claim_key,
    release_key,
    store_answer,
)

BODY = bytes(32)
ANSWER = StoredAnswer(201, {"id": "1"})


def claim(user_id: uuid.UUID, **changes: object) -> Claim:
    got = claim_key(
        **{"user_id": user_id, "key": "k", "path": "/p", "body_sha256": BODY, "now": NOW, **changes}  # type: ignore[arg-type]
    )
    assert isinstance(got, Claim)
    return got


@pytest.mark.django_db
def test_a_repeated_request_gets_the_stored_answer():
    bob = make_user()
    store_answer(claim=claim(bob.id), answer=ANSWER)

    assert claim_key(user_id=bob.id, key="k", path="/p", body_sha256=BODY, now=NOW) == ANSWER


@pytest.mark.django_db
@pytest.mark.parametrize("change", [{"path": "/q"}, {"body_sha256": bytes([1] * 32)}])
@pytest.mark.parametrize("is_answered", [True, False])
def test_a_key_belongs_to_one_request(change: dict[str, object], is_answered: bool):
    bob = make_user()
    first = claim(bob.id)
    if is_answered:
        store_answer(claim=first, answer=ANSWER)

    with pytest.raises(IdempotencyKeyReusedError):
        claim(bob.id, **change)


@pytest.mark.django_db
def test_carol_may_use_the_same_key_as_bob():
    claim(make_user("bob").id)

    claim(make_user("carol").id)

    assert IdempotencyKey.objects.count() == 2


@pytest.mark.django_db
def test_a_request_in_flight_is_not_carried_out_again_until_its_time_is_over():
    bob = make_user()
    first = claim(bob.id)

    with pytest.raises(IdempotencyKeyInFlightError):
        claim(bob.id, now=NOW + IN_FLIGHT_TIMEOUT - timedelta(seconds=1))
    second = claim(bob.id, now=NOW + IN_FLIGHT_TIMEOUT)

    assert second.id == first.id
    with pytest.raises(IdempotencyKeyInFlightError):
        claim(bob.id, now=NOW + IN_FLIGHT_TIMEOUT)


@pytest.mark.django_db
def test_a_request_that_lost_its_claim_neither_answers_nor_frees_the_key():
    bob = make_user()
    first = claim(bob.id)
    claim(bob.id, now=NOW + IN_FLIGHT_TIMEOUT)

    store_answer(claim=first, answer=ANSWER)
    release_key(claim=first)

    assert IdempotencyKey.objects.get().status_code is None


@pytest.mark.django_db
def test_a_released_key_can_be_claimed_at_once():
    bob = make_user()

    release_key(claim=claim(bob.id))

    claim(bob.id)


@pytest.mark.django_db
def test_a_key_that_appears_between_look_up_and_insert_is_in_flight():
    bob = make_user()
    claim(bob.id)

    with pytest.raises(IdempotencyKeyInFlightError):
        _insert(user_id=bob.id, key="k", path="/p", body_sha256=BODY, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_gets_the_key():
    if "memory" in str(connection.settings_dict["NAME"]):
        pytest.skip("a database in memory cannot be shared by threads")
    bob = make_user()
    start = threading.Barrier(4)
    outcomes: list[type] = []

    def try_to_claim() -> None:
        try:
            start.wait()
            outcomes.append(type(claim_key(user_id=bob.id, key="k", path="/p", body_sha256=BODY, now=NOW)))
        except IdempotencyKeyInFlightError as error:
            outcomes.append(type(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=try_to_claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(kind.__name__ for kind in outcomes) == ["Claim", *["IdempotencyKeyInFlightError"] * 3]
