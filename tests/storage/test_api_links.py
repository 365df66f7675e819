"""What a request for a link may say beside its upload, and readers' reports."""

import base64
import hashlib
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from storage.models import Link, Report
from storage.services.links import AGE_FIRST_LINE
from tests.factories.storage import CONTENT, MANIFEST, digest, make_link, make_upload
from tests.factories.users import NOW, make_client, make_user
from users.models import User

pytestmark = pytest.mark.django_db
SEALED = AGE_FIRST_LINE + b"for the reviewers"


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture(autouse=True)
def fresh_throttle() -> Iterator[None]:
    """Let every test report as if nobody had."""
    cache.clear()
    yield
    cache.clear()


def make_document(**changes: object) -> dict[str, object]:
    document: dict[str, object] = {
        "manifest": base64.b64encode(MANIFEST).decode(),
        "seal": "00" * 32,
        "price": {"amount_msat": 1000},
    }
    return document | changes


def make_digest() -> dict[str, object]:
    found = digest(CONTENT)
    return {
        "sha256": f"sha256:{found.sha256.hex()}",
        "length": found.length,
        "root": f"sha256:{found.root.hex()}",
    }


def post_link(user: User, document: dict[str, object]):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    return make_client(user).post("/api/v1/links", document, content_type="application/json", headers=headers)


def get_code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# --- Links with limits ---


def test_a_link_is_made_with_limits_and_a_deletion_token(bob: User):
    upload = make_upload(bob, received=len(CONTENT), now=timezone.now())
    expires_at, token = timezone.now() + timedelta(days=2), hashlib.sha256(b"token").digest()
    limits: dict[str, object] = {
        "expires_at": expires_at.isoformat(),
        "transfers_max": 3,
        "deletion_token_sha256": token.hex(),
    }

    made = post_link(bob, make_document(upload=str(upload.id), **make_digest(), **limits))

    link = Link.objects.get()
    assert (made.status_code, made.json()["transfers_max"], made.json()["transfers_left"]) == (201, 3, 3)
    assert (link.expires_at, link.transfers_max, bytes(link.deletion_token_sha256 or b"")) == (expires_at, 3, token)
    assert link.release_at == expires_at + timedelta(days=1)
    assert token.hex() not in made.content.decode()


def test_a_link_is_made_from_a_link(bob: User):
    first = make_link(bob)

    made = post_link(bob, make_document(link=str(first.id)))
    again = post_link(bob, make_document(link=str(first.id), sha256=make_digest()["sha256"]))

    assert (made.status_code, again.status_code) == (201, 201)
    assert made.json()["id"] != str(first.id)
    assert set(Link.objects.values_list("blob", flat=True)) == {first.blob_id}


def test_carol_makes_no_link_from_bobs(bob: User):
    document = make_document(link=str(make_link(bob).id))

    assert get_code(post_link(make_user("carol"), document)) == (404, "link-not-found")


def test_a_link_has_one_source(bob: User):
    one = str(uuid.uuid4())

    none = post_link(bob, make_document())
    both = post_link(bob, make_document(upload=one, link=one, **make_digest()))
    without_digest = post_link(bob, make_document(upload=one))

    assert [get_code(answer) for answer in (none, both, without_digest)] == [(400, "invalid-input")] * 3
    pointers = [error["pointer"] for error in without_digest.json()["errors"]]
    assert pointers == ["/sha256", "/length", "/root"]


@pytest.mark.parametrize(
    "limits",
    [{"transfers_max": 0}, {"transfers_max": "3"}, {"transfers_max": 2**63}, {"deletion_token_sha256": "00"}],
)
def test_refuses_malformed_limits(bob: User, limits: dict[str, object]):
    document = make_document(link=str(make_link(bob).id), **limits)

    assert get_code(post_link(bob, document)) == (400, "invalid-input")


def test_refuses_an_expiry_that_has_passed(bob: User):
    document = make_document(link=str(make_link(bob).id), expires_at="2020-01-01T00:00:00Z")

    assert get_code(post_link(bob, document)) == (400, "expiry-out-of-range")


def test_an_owner_sees_what_became_of_links(bob: User):
    links = [make_link(bob)]
    links += [make_link(bob, blob=links[0].blob) for _ in range(4)]
    ends: list[dict[str, Any]] = [
        {"expires_at": NOW},
        {"transfers_max": 1, "transfers_used": 1},
        {"disabled_at": NOW},
        {"deleted_at": NOW},
    ]
    for link, ended in zip(links[1:], ends, strict=True):
        Link.objects.filter(id=link.id).update(**ended)

    found = {link["id"]: link["state"] for link in make_client(bob).get("/api/v1/links").json()["results"]}

    assert found == dict(
        zip([str(link.id) for link in links], ["open", "expired", "used-up", "disabled"], strict=False)
    )


# --- Reports ---


def report(link_id: object, **document: object):
    given = {"category": "malware"} | document
    return Client().post(f"/api/v1/links/{link_id}/reports", given, content_type="application/json")


def test_carol_reports_a_link_with_its_key(bob: User):
    link = make_link(bob)

    made = report(link.id, sealed=base64.b64encode(SEALED).decode(), text="It steals passwords.")

    found = Report.objects.get()
    assert (made.status_code, made.json()["id"], made.json()["category"]) == (201, str(found.id), "malware")
    assert (found.link, bytes(found.sealed), found.text) == (link, SEALED, "It steals passwords.")
    assert found.state == Report.State.OPEN
    assert "sealed" not in made.json()


def test_a_report_may_come_without_the_key(bob: User):
    assert report(make_link(bob).id).status_code == 201
    assert bytes(Report.objects.get().sealed) == b""


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"category": "rude"}, (400, "invalid-input")),
        ({"sealed": "%"}, (400, "invalid-input")),
        ({"text": "x" * 2_001}, (400, "invalid-input")),
        ({"sealed": base64.b64encode(b"https://host/f/1#1.key").decode()}, (422, "report-not-encrypted")),
        ({"sealed": base64.b64encode(AGE_FIRST_LINE + bytes(65_536)).decode()}, (413, "report-too-large")),
    ],
    ids=["category", "base64", "long text", "in the open", "large"],
)
def test_refuses_a_bad_report(bob: User, document: dict[str, object], code: tuple[int, str]):
    assert get_code(report(make_link(bob).id, **document)) == code
    assert not Report.objects.exists()


def test_a_link_that_somebody_ended_or_that_never_was_cannot_be_reported(bob: User):
    deleted = make_link(bob)
    disabled = make_link(bob, blob=deleted.blob, disabled_at=NOW)
    Link.objects.filter(id=deleted.id).update(deleted_at=NOW)

    assert get_code(report(uuid.uuid4())) == (404, "link-not-found")
    assert get_code(report(deleted.id)) == (410, "link-deleted")
    assert get_code(report(disabled.id)) == (410, "link-disabled")


def test_nobody_reads_reports_over_the_api(bob: User):
    link = make_link(bob)
    report(link.id)

    assert make_client(bob).get(f"/api/v1/links/{link.id}/reports").status_code == 405


def test_reports_from_one_address_are_limited(bob: User):
    link = make_link(bob)

    codes = [report(link.id).status_code for _ in range(21)]

    assert codes == [201] * 20 + [429]
