"""POST /api/v1/records/bulk: who may, what is refused, and what comes back."""

import hashlib
import io
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from registry.models import Record
from registry.proof import leaves
from registry.rules.digest_lines import BODY_BYTES_MAX
from tests.factories.users import make_client, make_user
from users.scopes import ALL_SCOPES, Scope
from users.services.idempotency import claim_key

pytestmark = pytest.mark.django_db
URL = "/api/v1/records/bulk"
NDJSON = "application/x-ndjson"


def make_body(count: int) -> bytes:
    digests = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))
    return b"".join(json.dumps({"sha256": digest}).encode() + b"\n" for digest in digests)


def submit(client: Client, body: bytes, *, key: str | None = "k", content_type: str = NDJSON):
    return client.post(URL, body, content_type=content_type, headers={} if key is None else {"Idempotency-Key": key})


def make_wsgi(stream: object, length: int) -> dict[str, Any]:
    """Return what a web server says of a body whose length a client announced."""
    return {"wsgi.input": stream, "CONTENT_LENGTH": str(length)}


def read(answer) -> bytes:
    return b"".join(answer.streaming_content)


@pytest.fixture
def bob() -> Client:
    return make_client(make_user("bob"))


def test_every_line_gets_a_receipt_that_its_leaf_can_be_computed_from(bob: Client, django_assert_max_num_queries):
    body = make_body(4_500)
    with django_assert_max_num_queries(40):
        answer = submit(bob, body)
        receipts = [json.loads(line) for line in read(answer).splitlines()]

    assert (answer.status_code, answer["Content-Type"]) == (201, NDJSON)
    assert [receipt["line"] for receipt in receipts] == list(range(1, 4_501))
    digests = [json.loads(line)["sha256"] for line in body.splitlines()]
    assert [receipt["sha256"] for receipt in receipts] == [f"sha256:{digest}" for digest in digests]
    for receipt in (receipts[0], receipts[2_000], receipts[-1]):
        record = bob.get(f"/api/v1/records/{receipt['record']}").json()
        assert (record["sha256"], record["leaf"]) == (receipt["sha256"], receipt["leaf"])
        assert (record["kind"], record["registered_at"][:19]) == (0, receipt["details"]["registered_at"][:19])
        salt = bytes.fromhex(receipt["details_salt"])
        details_hash = leaves.details_hash(salt=salt, details=receipt["details"])
        digest = bytes.fromhex(receipt["sha256"].removeprefix("sha256:"))
        fields = leaves.Record(0, digest, 0, bytes(32), bytes(32), details_hash)
        assert leaves.leaf_hash(fields).hex() == receipt["leaf"]


def test_a_repetition_is_answered_with_the_same_bytes(bob: Client):
    body = make_body(5)
    first, again = read(submit(bob, body)), read(submit(bob, body))

    assert again == first
    assert Record.objects.count() == 5


def test_a_repetition_while_the_first_is_carried_out_is_refused():
    user = make_user("bob")
    body = make_body(2)
    claim_key(user_id=user.id, key="k", path=URL, body_sha256=hashlib.sha256(body).digest(), now=timezone.now())

    answer = submit(make_client(user), body)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-flight")


def test_another_body_under_the_same_key_is_refused(bob: Client):
    read(submit(bob, make_body(2)))
    answer = submit(bob, make_body(3))

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert Record.objects.count() == 2


def test_a_key_of_another_address_is_refused(bob: Client):
    holder = {"name": "Bob", "payout_address": "nowhere"}
    bob.post("/api/v1/holders", holder, content_type="application/json", headers={"Idempotency-Key": "k"})

    assert submit(bob, make_body(1)).status_code == 422


def test_carol_without_the_scope_is_refused():
    scopes = [scope for scope in ALL_SCOPES if scope != Scope.RECORDS_WRITE]
    carol = make_client(make_user("carol"), scopes=scopes)

    assert submit(carol, make_body(1)).json()["code"] == "scope-missing"
    assert submit(Client(), make_body(1)).status_code == 401
    assert not Record.objects.exists()


@pytest.mark.parametrize(("key", "code"), [(None, "idempotency-key-missing"), ("a b", "idempotency-key-malformed")])
def test_the_key_is_required(bob: Client, key: str | None, code: str):
    answer = submit(bob, make_body(1), key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_first_bad_line_is_named_and_nothing_is_written(bob: Client):
    answer = submit(bob, make_body(700) + b'{"sha256": "no"}\n' + make_body(5))

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["line"]) == (400, "digest-line", 701)
    assert "64 lower-case" in problem["cause"]
    assert not Record.objects.exists()
    assert submit(bob, make_body(1)).status_code == 201


def test_an_empty_body_is_refused(bob: Client):
    answer = submit(bob, b"")

    assert (answer.status_code, answer.json()["code"]) == (400, "digests-missing")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_another_media_type_is_refused(bob: Client, content_type: str):
    answer = submit(bob, make_body(1), content_type=content_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type")


def test_a_body_above_the_limit_of_other_bodies_is_taken_and_theirs_stays(bob: Client, settings: Settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    body = make_body(100)

    assert submit(bob, body).status_code == 201
    holder = {"name": "x" * 2_000, "payout_address": "nowhere"}
    answer = bob.post("/api/v1/holders", holder, content_type="application/json", headers={"Idempotency-Key": "h"})
    assert answer.status_code == 413


def test_a_body_that_is_too_long_is_refused_unread(bob: Client):
    class Unreadable(io.RawIOBase):
        def readable(self) -> bool:
            raise AssertionError("the body was read")

    answer = bob.generic(
        "POST",
        URL,
        content_type=NDJSON,
        headers={"Idempotency-Key": "k"},
        **make_wsgi(Unreadable(), BODY_BYTES_MAX + 1),
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "digests-too-many")


def test_a_body_without_a_length_is_refused(bob: Client):
    answer = bob.post(
        URL, make_body(1), content_type=NDJSON, headers={"Idempotency-Key": "k", "Transfer-Encoding": "chunked"}
    )

    assert (answer.status_code, answer.json()["code"]) == (411, "body-length-missing")


def test_a_body_that_breaks_off_is_refused(bob: Client):
    body = make_body(2)
    cut = body[: len(body) // 2]

    answer = bob.generic(
        "POST",
        URL,
        cut,
        content_type=NDJSON,
        headers={"Idempotency-Key": "k"},
        **make_wsgi(io.BytesIO(cut), len(body)),
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "body-interrupted")
    assert not Record.objects.exists()


def test_the_days_limit_is_told(bob: Client, settings: Settings):
    settings.CADASTRE_BULK_RECORDS_PER_DAY = 3

    assert submit(bob, make_body(3), key="a").status_code == 201
    answer = submit(bob, make_body(1), key="b")

    assert (answer.status_code, answer.json()["code"]) == (429, "submission-limit")
    assert 86_000 < int(answer["Retry-After"]) <= 86_400
