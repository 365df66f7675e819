"""The registry over HTTP, what members of rights holders write and read: rights holders and claims."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from chain.networks import REGTEST
from registry.models import Claim, ClaimEvent, Member, Record, RightsHolder
from tests.factories.registry import HOLDER_KEY, make_claim, make_document_record, make_holder, make_record
from tests.factories.users import NOW, make_client, make_user
from tests.registry.answers import get_code, list_pages
from users.models import IdempotencyKey, User
from users.scopes import ALL_SCOPES, Scope

pytestmark = pytest.mark.django_db
HOLDER = {"name": "Alice's Archive", "payout_address": HOLDER_KEY.address(REGTEST)}


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    return make_user("carol")


def post(client: Client, path: str, document: object, *, key: str | None = "k"):
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/api/v1{path}", document, content_type="application/json", headers=headers)


def describe_claim(record: Record, holder: RightsHolder, /, **changes: object) -> dict[str, object]:
    return {
        "record": str(record.id),
        "holder": str(holder.id),
        "title": "A Field Guide",
        "share_ppm": 600_000,
        "basis": "CREATOR",
        "evidence": "The manuscript is dated 2019.",
        **changes,
    }


# --- Rights holders ---


def test_alice_makes_a_rights_holder_and_is_its_first_member(alice: User):
    client = make_client(alice)

    made = post(client, "/holders", HOLDER)

    holder = RightsHolder.objects.get()
    assert made.status_code == 201
    assert made.json() == {"id": str(holder.id), **HOLDER, "created_at": made.json()["created_at"]}
    assert made.json()["created_at"].endswith("Z")
    assert [member.user for member in holder.members.all()] == [alice]
    assert client.get("/api/v1/holders").json()["results"] == [made.json()]


@pytest.mark.parametrize(
    ("changes", "code", "pointers"),
    [
        ({"payout_address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}, "address", None),
        ({"payout_address": "not an address"}, "address", None),
        ({"payout_address": ""}, "invalid-input", ["/payout_address"]),
        ({"payout_address": None}, "invalid-input", ["/payout_address"]),
        ({"payout_address": "b" * 101}, "invalid-input", ["/payout_address"]),
        ({"name": ""}, "invalid-input", ["/name"]),
        ({"name": "\u0000"}, "invalid-input", ["/name"]),
        ({"name": "\ud800"}, "invalid-input", ["/name"]),
        ({"name": "a" * 201, "payout_address": []}, "invalid-input", ["/name", "/payout_address"]),
    ],
)
def test_a_bad_rights_holder_is_refused_and_nothing_is_written(
    alice: User, changes: dict[str, object], code: str, pointers: list[str] | None
):
    answer = post(make_client(alice), "/holders", {**HOLDER, **changes})

    assert get_code(answer) == (400, code)
    assert [error["pointer"] for error in answer.json().get("errors", [])] == (pointers or [])
    assert not RightsHolder.objects.exists()
    assert not Member.objects.exists()


def test_carol_does_not_see_alices_rights_holders(alice: User, carol: User):
    make_holder(alice)

    assert make_client(carol).get("/api/v1/holders").json()["results"] == []


def test_pages_of_rights_holders_follow_each_other(alice: User):
    made = [make_holder(alice, now=NOW + timedelta(seconds=number)) for number in range(3)]
    newest_first = [str(holder.id) for holder in reversed(made)]

    assert list_pages(make_client(alice), "/holders") == [newest_first[:2], newest_first[2:]]


# --- Claims ---


def test_alice_claims_a_share_of_what_bob_uploaded(alice: User, bob: User):
    record, holder, client = make_record(bob), make_holder(alice), make_client(alice)

    made = post(client, "/claims", describe_claim(record, holder))

    claim = Claim.objects.get()
    assert made.status_code == 201
    assert made.json() == {
        "id": str(claim.id),
        "work": str(record.work_id),
        **describe_claim(record, holder),
        "state": "SUBMITTED",
        "submitted_at": made.json()["submitted_at"],
    }
    assert client.get(f"/api/v1/claims/{claim.id}").json() == made.json()
    assert client.get("/api/v1/claims").json()["results"] == [made.json()]
    assert [event.state_after for event in ClaimEvent.objects.all()] == ["SUBMITTED"]


@pytest.mark.parametrize(
    "changes",
    [
        {"record": "1"},
        {"holder": None},
        {"title": ""},
        {"title": "a" * 301},
        {"share_ppm": 0},
        {"share_ppm": 1_000_001},
        {"share_ppm": "600000"},
        {"share_ppm": 0.5},
        {"share_ppm": True},
        {"basis": "HEARSAY"},
        {"evidence": ""},
        {"evidence": "a" * 10_001},
    ],
)
def test_a_bad_claim_is_refused_and_nothing_is_written(alice: User, bob: User, changes: dict[str, object]):
    record, holder = make_record(bob), make_holder(alice)
    records = Record.objects.count()

    answer = post(make_client(alice), "/claims", describe_claim(record, holder, **changes))

    assert get_code(answer) == (400, "invalid-input")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}" for name in changes]
    assert not Claim.objects.exists()
    assert Record.objects.count() == records


def test_a_record_without_a_work_cannot_be_claimed(alice: User):
    document, holder = make_document_record(), make_holder(alice)

    of_document = post(make_client(alice), "/claims", describe_claim(document, holder))
    of_nothing = post(make_client(alice), "/claims", describe_claim(Record(), holder), key="another")

    assert get_code(of_document) == get_code(of_nothing) == (404, "record-not-found")
    assert not Claim.objects.exists()


def test_a_second_active_claim_of_a_holder_on_a_work_is_refused(alice: User, bob: User):
    record, holder, client = make_record(bob), make_holder(alice), make_client(alice)
    post(client, "/claims", describe_claim(record, holder))
    records = Record.objects.count()

    second = post(client, "/claims", describe_claim(record, holder, share_ppm=1), key="another")
    of_another_holder = post(client, "/claims", describe_claim(record, make_holder(alice)), key="third")

    assert get_code(second) == (409, "claim-exists")
    assert of_another_holder.status_code == 201
    assert Claim.objects.count() == 2
    assert Record.objects.count() == records + 1


def test_carol_neither_claims_for_alices_holder_nor_sees_its_claims(alice: User, bob: User, carol: User):
    record, client = make_record(bob), make_client(carol)
    claim = make_claim(alice, record=record)

    claimed = post(client, "/claims", describe_claim(make_record(bob, content=b"another"), claim.holder))

    assert get_code(claimed) == (404, "holder-not-found")
    assert get_code(client.get(f"/api/v1/claims/{claim.id}")) == (404, "claim-not-found")
    assert client.get("/api/v1/claims").json()["results"] == []
    assert Claim.objects.get() == claim


def test_the_uploader_is_a_stranger_to_a_claim_too(alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))

    assert get_code(make_client(bob).get(f"/api/v1/claims/{claim.id}")) == (404, "claim-not-found")


def test_a_second_member_sees_the_holders_claims(alice: User, bob: User, carol: User):
    claim = make_claim(alice, record=make_record(bob))
    Member.objects.create(holder=claim.holder, user=carol, created_at=NOW)

    assert [row["id"] for row in make_client(carol).get("/api/v1/claims").json()["results"]] == [str(claim.id)]


def test_pages_of_claims_follow_each_other(alice: User, bob: User):
    holder = make_holder(alice)
    made = [
        make_claim(alice, record=make_record(bob, content=bytes([n])), holder=holder, now=NOW + timedelta(seconds=n))
        for n in range(3)
    ]
    newest_first = [str(claim.id) for claim in reversed(made)]

    assert list_pages(make_client(alice), "/claims") == [newest_first[:2], newest_first[2:]]


# --- Keys and scopes ---


def make_holder_body(alice: User, bob: User) -> tuple[str, dict[str, object]]:
    return "/holders", dict(HOLDER)


def make_claim_body(alice: User, bob: User) -> tuple[str, dict[str, object]]:
    return "/claims", describe_claim(make_record(bob), make_holder(alice))


both_posts = pytest.mark.parametrize("make_body", [make_holder_body, make_claim_body])
MakeBody = Callable[[User, User], tuple[str, dict[str, object]]]


def count_rows() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (RightsHolder, Member, Claim, ClaimEvent, Record))


@both_posts
def test_a_repeated_request_is_carried_out_once(alice: User, bob: User, make_body: MakeBody):
    path, document = make_body(alice, bob)
    client = make_client(alice)

    first = post(client, path, document)
    rows = count_rows()
    second = post(client, path, document)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert count_rows() == rows


@both_posts
def test_a_key_is_not_good_for_another_body(alice: User, bob: User, make_body: MakeBody):
    path, document = make_body(alice, bob)
    client = make_client(alice)
    post(client, path, document)
    rows = count_rows()

    other = post(client, path, {**document, "name": "Another", "title": "Another"})

    assert get_code(other) == (422, "idempotency-key-reused")
    assert count_rows() == rows


@both_posts
@pytest.mark.parametrize(
    ("key", "code"),
    [(None, "idempotency-key-missing"), ("", "idempotency-key-malformed"), ("k" * 201, "idempotency-key-malformed")],
)
def test_a_post_needs_a_proper_key(alice: User, bob: User, make_body: MakeBody, key: str | None, code: str):
    path, document = make_body(alice, bob)
    rows = count_rows()

    answer = post(make_client(alice), path, document, key=key)

    assert get_code(answer) == (400, code)
    assert count_rows() == rows


@both_posts
def test_a_request_in_flight_is_not_carried_out_again(alice: User, bob: User, make_body: MakeBody):
    path, document = make_body(alice, bob)
    client = make_client(alice)
    post(client, path, document)
    rows = count_rows()
    IdempotencyKey.objects.update(status_code=None, answer=None, created_at=timezone.now())

    answer = post(client, path, document)

    assert get_code(answer) == (409, "idempotency-key-in-flight")
    assert answer.headers["Retry-After"] == "1"
    assert count_rows() == rows


@both_posts
def test_a_refusal_is_repeated_under_its_key(alice: User, bob: User, make_body: MakeBody):
    path, document = make_body(alice, bob)
    client, bad = make_client(alice), {**document, "name": "", "title": ""}

    answers = [post(client, path, bad) for _ in range(2)]

    assert [get_code(answer) for answer in answers] == [(400, "invalid-input")] * 2
    assert answers[0].json() == answers[1].json()


@both_posts
def test_two_users_may_use_the_same_key(alice: User, bob: User, carol: User, make_body: MakeBody):
    path, document = make_body(alice, bob)
    made = post(make_client(alice), path, document)

    answer = post(make_client(carol), path, document)

    if path == "/holders":
        assert answer.status_code == 201
        assert answer.json()["id"] != made.json()["id"]
    else:
        assert get_code(answer) == (404, "holder-not-found")


@pytest.mark.parametrize("sender", ["nobody", "another scope"])
def test_rights_take_the_scope(alice: User, bob: User, sender: str):
    others = [scope for scope in ALL_SCOPES if scope != Scope.RIGHTS_WRITE]
    client = Client() if sender == "nobody" else make_client(alice, scopes=others)
    claim = make_claim(alice, record=make_record(bob))
    record = make_record(bob, content=b"another")
    rows = count_rows()

    answers = [
        client.get("/api/v1/holders"),
        post(client, "/holders", HOLDER),
        client.get("/api/v1/claims"),
        post(client, "/claims", describe_claim(record, claim.holder)),
        client.get(f"/api/v1/claims/{claim.id}"),
    ]

    expected = (401, "token-missing") if sender == "nobody" else (403, "scope-missing")
    assert [get_code(answer) for answer in answers] == [expected] * 5
    assert count_rows() == rows
