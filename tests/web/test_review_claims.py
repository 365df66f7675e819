"""The review of claims, driven as a browser drives it: by forms with their tokens."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from registry.models import Claim, ClaimEvent, SplitPolicy
from tests.factories.registry import make_claim, make_holder, make_record
from tests.factories.users import NOW, make_user
from tests.web.readers import find_csrf_token, read_text
from users.models import User

pytestmark = pytest.mark.django_db

QUEUE = "/admin/registry/claim/"
QUEUE_QUERIES_MAX = 8
CLAIM_QUERIES_MAX = 24


def claim_page(claim_id: UUID) -> str:
    """Return the address of a claim's page."""
    return f"{QUEUE}{claim_id}/change/"


def decide(client: Client, claim: Claim, decision: str, reason: str = "The contract names her."):
    """Load a claim's page, send its form, and return the page that follows."""
    token = find_csrf_token(client.get(claim_page(claim.id)))
    fields = {"decision": decision, "reason": reason, "csrfmiddlewaretoken": token}
    return client.post(f"{QUEUE}{claim.id}/decide/", fields, follow=True)


def test_signing_in_and_approving_takes_nothing_but_forms(alice: User, bob: User):
    rita = make_user("rita", is_staff=True)
    rita.is_superuser = True
    rita.set_password("a long password")
    rita.save()
    claim = make_claim(alice, record=make_record(bob))
    client = Client(enforce_csrf_checks=True)

    login = client.get(claim_page(claim.id), follow=True)
    fields = {
        "username": "rita",
        "password": "a long password",
        "next": claim_page(claim.id),
        "csrfmiddlewaretoken": find_csrf_token(login),
    }
    page = client.post("/admin/login/", fields, follow=True)
    decided = decide(client, claim, "approve")

    assert "A Field Guide" in read_text(page)
    assert "The claim is approved. Version 1" in read_text(decided)


def test_approval_puts_the_previewed_policy_in_force(desk: Client, alice: User, bob: User, reviewer: User):
    claim = make_claim(alice, record=make_record(bob, price_msat=1_001))
    before = read_text(desk.get(claim_page(claim.id)))

    decide(desk, claim, "approve", "The contract names her.")

    claim.refresh_from_db()
    event = ClaimEvent.objects.get(claim=claim, state_after=Claim.State.APPROVED)
    lines = SplitPolicy.objects.get(work=claim.work, valid_to=None).lines.values_list("payee", "fee_bp", "share_ppm")
    assert "Alice's Archive 54 % 540,540 msat 0 msat" in before
    assert "the uploader 36 % 360,360 msat 900,900 msat" in before
    assert claim.state == Claim.State.APPROVED
    assert (event.actor, event.reason) == (reviewer, "The contract names her.")
    assert list(lines) == [("PLATFORM", 1_000, 0), ("HOLDER", 0, 600_000), ("UPLOADER", 0, 400_000)]


def test_rejection_changes_no_policy(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))

    page = decide(desk, claim, "reject", "The evidence is of another book.")

    claim.refresh_from_db()
    text = read_text(page)
    assert claim.state == Claim.State.REJECTED
    assert "No split policy changed" in text
    assert "The evidence is of another book." in text
    assert SplitPolicy.objects.filter(work=claim.work).count() == 1


def test_a_second_approval_changes_nothing_and_says_so(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))
    token = find_csrf_token(desk.get(claim_page(claim.id)))
    fields = {"decision": "approve", "reason": "Yes.", "csrfmiddlewaretoken": token}
    desk.post(f"{QUEUE}{claim.id}/decide/", fields)

    page = desk.post(f"{QUEUE}{claim.id}/decide/", fields, follow=True)

    assert "Nothing was changed: the claim is approved, not submitted." in read_text(page)
    assert ClaimEvent.objects.filter(claim=claim).count() == 2
    assert SplitPolicy.objects.filter(work=claim.work).count() == 2


def test_approving_more_than_the_whole_is_refused_and_foretold(desk: Client, alice: User, bob: User, carol: User):
    record = make_record(bob)
    first = make_claim(alice, record=record, share_ppm=600_000)
    second = make_claim(carol, record=record, holder=make_holder(carol, name="Carol's Press"), share_ppm=500_000)
    decide(desk, first, "approve")

    foretold = read_text(desk.get(claim_page(second.id)))
    page = decide(desk, second, "approve")

    second.refresh_from_db()
    assert "the shares would exceed the whole by 10 %" in foretold
    assert "Not decided: the shares exceed the whole by 100000 ppm" in read_text(page)
    assert second.state == Claim.State.SUBMITTED


def test_a_reviewer_does_not_decide_their_own_holders_claim(desk: Client, alice: User, bob: User, reviewer: User):
    claim = make_claim(reviewer, record=make_record(bob))

    page = decide(desk, claim, "approve")

    claim.refresh_from_db()
    assert "Nobody decides a claim on a work that they uploaded or have a claim on themselves" in read_text(page)
    assert claim.state == Claim.State.SUBMITTED


@pytest.mark.parametrize(
    ("decision", "reason"), [("approve", ""), ("approve", "   "), ("reject", "x" * 2_001), ("promote", "Yes.")]
)
def test_a_decision_needs_a_reason_and_must_be_one(desk: Client, alice: User, bob: User, decision: str, reason: str):
    claim = make_claim(alice, record=make_record(bob))

    page = decide(desk, claim, decision, reason)

    claim.refresh_from_db()
    assert page.status_code == 422
    assert "Not decided: please correct what is marked" in read_text(page)
    assert claim.state == Claim.State.SUBMITTED


def test_a_decision_without_the_forms_token_is_refused(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))

    page = desk.post(f"{QUEUE}{claim.id}/decide/", {"decision": "approve", "reason": "Yes."})

    claim.refresh_from_db()
    assert page.status_code == 403
    assert "Form refused" in read_text(page)
    assert claim.state == Claim.State.SUBMITTED


def test_a_decided_claim_has_no_form(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))
    decide(desk, claim, "reject")

    page = desk.get(claim_page(claim.id)).content.decode()

    assert "/decide/" not in page
    assert "A decision is never changed" in page


def test_other_claims_and_the_history_are_on_the_page(desk: Client, alice: User, bob: User, carol: User):
    record = make_record(bob)
    claim = make_claim(alice, record=record)
    other = make_claim(carol, record=record, holder=make_holder(carol, name="Carol's Press"), share_ppm=123_456)

    page = desk.get(claim_page(claim.id))

    text = read_text(page)
    assert "Carol's Press A Field Guide 12.3456 % original creator SUBMITTED" in text
    assert claim_page(other.id) in page.content.decode()
    assert "SUBMITTED alice submitted" in text
    assert f'href="/records/{record.id}/"' in page.content.decode()


def test_the_oldest_claim_stands_first_in_the_queue(desk: Client, alice: User, bob: User):
    newer = make_claim(alice, record=make_record(bob, content=b"newer"), title="Newer", now=NOW)
    older = make_claim(alice, record=make_record(bob, content=b"older"), title="Older", now=NOW - timedelta(days=1))

    page = desk.get(QUEUE).content.decode()

    assert page.index(str(older.id)) < page.index(str(newer.id))


def test_the_queue_is_filtered_and_searched(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob, content=b"one"), title="Lichens")
    decide(desk, make_claim(alice, record=make_record(bob, content=b"two"), title="Mosses"), "reject")

    waiting = read_text(desk.get(QUEUE, {"state__exact": "SUBMITTED"}))

    assert "Lichens" in waiting
    assert "Mosses" not in waiting
    for query in ("Lichens", str(claim.id), str(claim.record_id)):
        assert "1 claim" in read_text(desk.get(QUEUE, {"q": query}))
    assert "0 claims" in read_text(desk.get(QUEUE, {"q": "Ferns"}))


def test_neither_queue_nor_claim_lets_anything_be_edited(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))

    token = find_csrf_token(desk.get(claim_page(claim.id)))
    fields = {"title": "Mine", "csrfmiddlewaretoken": token}

    assert desk.post(claim_page(claim.id), fields).status_code == 405
    assert desk.get(f"{QUEUE}add/").status_code == 403
    assert desk.get(f"{QUEUE}{claim.id}/delete/").status_code == 403
    assert desk.get(f"{QUEUE}{claim.id}/decide/").status_code == 405


def test_more_claims_take_no_more_queries(
    desk: Client, alice: User, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
):
    record = make_record(bob)
    claims = [
        make_claim(alice, record=record, holder=make_holder(alice, name=f"Holder {number}"), share_ppm=10_000)
        for number in range(8)
    ]

    with django_assert_max_num_queries(QUEUE_QUERIES_MAX):
        desk.get(QUEUE)
    with django_assert_max_num_queries(CLAIM_QUERIES_MAX):
        desk.get(claim_page(claims[0].id))


@pytest.mark.parametrize("claim_id", ["01234567-89ab-7def-8123-456789abcdef", "1"])
def test_an_unknown_claim_is_not_found(desk: Client, claim_id: object):
    assert desk.get(f"{QUEUE}{claim_id}/change/").status_code == 404


def test_deciding_an_unknown_claim_is_not_found(desk: Client):
    token = find_csrf_token(desk.get("/admin/"))
    fields = {"decision": "approve", "reason": "Yes.", "csrfmiddlewaretoken": token}

    assert desk.post(f"{QUEUE}{uuid4()}/decide/", fields).status_code == 404
    assert desk.post(f"{QUEUE}{uuid4()}/decide/", {**fields, "reason": ""}).status_code == 404


def test_carol_and_strangers_are_sent_to_sign_in(alice: User, bob: User, carol: User):
    claim = make_claim(alice, record=make_record(bob))
    addresses = ["/admin/", QUEUE, claim_page(claim.id), f"{QUEUE}{claim.id}/decide/"]
    hers = Client()
    hers.force_login(carol)

    for client in (Client(), hers):
        for address in addresses:
            answer = client.post(address, {"decision": "approve", "reason": "Mine."})
            assert answer.status_code == 302
            assert answer.headers["Location"].startswith("/admin/login/")
    claim.refresh_from_db()
    assert claim.state == Claim.State.SUBMITTED


def test_staff_without_the_permission_may_neither_look_nor_decide(alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))
    client = Client()
    client.force_login(make_user("sam", is_staff=True))

    assert client.get(QUEUE).status_code == 403
    assert client.get(claim_page(claim.id)).status_code == 403
    assert client.post(f"{QUEUE}{claim.id}/decide/", {"decision": "approve", "reason": "Yes."}).status_code == 403


def test_staff_that_may_only_look_is_shown_no_form_and_cannot_decide(alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob))
    sam = make_user("sam", is_staff=True)
    sam.user_permissions.add(Permission.objects.get(codename="view_claim"))
    client = Client()
    client.force_login(sam)

    page = client.get(claim_page(claim.id))
    answer = client.post(f"{QUEUE}{claim.id}/decide/", {"decision": "approve", "reason": "Yes."})

    claim.refresh_from_db()
    assert "You may read claims, not decide them." in read_text(page)
    assert answer.status_code == 403
    assert claim.state == Claim.State.SUBMITTED


def test_evidence_is_shown_as_text(desk: Client, alice: User, bob: User):
    claim = make_claim(alice, record=make_record(bob), title="<script>alert(1)</script>")

    page = desk.get(claim_page(claim.id)).content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
