"""Claims: who may submit, who may decide, and which split policy follows."""

import json

import pytest

from chain.errors import AddressError
from chain.keys import generate_key
from chain.networks import REGTEST
from registry.errors import (
    ClaimExistsError,
    ClaimNotFoundError,
    ClaimStateError,
    HolderNotFoundError,
    RecordNotFoundError,
    ReviewerConflictError,
    SharesExceedWholeError,
)
from registry.models import Claim, ClaimEvent, Record, RightsHolder, SplitPolicy, Work
from registry.selectors.terms import get_policy, list_lines
from registry.services.claims import approve_claim, create_holder, reject_claim, submit_claim, withdraw_claim
from tests.factories.registry import make_claim, make_document_record, make_holder, make_record
from tests.factories.users import make_user
from tests.registry.conftest import NOW

pytestmark = pytest.mark.django_db
LATER = NOW.replace(hour=13)


def get_work(record: Record) -> Work:
    """Return the work that a record embodies, as it is now."""
    return Work.objects.get(records=record)


@pytest.fixture
def alice():
    return make_user("alice")


@pytest.fixture
def uploader():
    return make_user("uploader")


@pytest.fixture
def reviewer():
    return make_user("reviewer", is_staff=True)


def test_a_claim_is_registered_and_moves_no_policy(alice, uploader):
    record = make_record(uploader, now=NOW)
    holder = make_holder(alice, now=NOW)

    claim = submit_claim(
        user=alice,
        holder_id=holder.id,
        record_id=record.id,
        title="Tide Tables",
        share_ppm=600_000,
        basis=Claim.Basis.CREATOR,
        evidence="The manuscript is dated 2019.",
        now=NOW,
    )

    event = ClaimEvent.objects.get(claim=claim)
    document = json.loads(bytes(event.record.document or b""))
    assert (event.record.kind, document["state_after"], document["share_ppm"]) == (
        Record.Kind.RIGHTS_EVENT,
        "SUBMITTED",
        600_000,
    )
    assert "alice" not in bytes(event.record.document or b"").decode()
    assert SplitPolicy.objects.filter(work=record.work).count() == 1


def test_carol_cannot_claim_for_a_holder_that_she_is_not_a_member_of(alice, uploader):
    record = make_record(uploader, now=NOW)
    holder = make_holder(alice, now=NOW)

    with pytest.raises(HolderNotFoundError):
        make_claim(make_user("carol"), holder=holder, record=record, now=NOW)
    assert not Claim.objects.exists()


def test_refuses_a_claim_on_a_record_that_embodies_no_work(alice):
    holder = make_holder(alice, now=NOW)

    with pytest.raises(RecordNotFoundError):
        make_claim(alice, holder=holder, record=make_document_record(now=NOW), now=NOW)


def test_refuses_a_second_active_claim_of_the_same_holder(alice, uploader):
    record = make_record(uploader, now=NOW)
    holder = make_holder(alice, now=NOW)
    make_claim(alice, holder=holder, record=record, now=NOW)

    with pytest.raises(ClaimExistsError):
        make_claim(alice, holder=holder, record=record, now=NOW)
    assert Claim.objects.count() == 1


def test_an_approved_claim_starts_a_policy_from_then_on(alice, reviewer, uploader):
    record = make_record(uploader, now=NOW)
    claim = make_claim(alice, holder=make_holder(alice, now=NOW), record=record, now=NOW, share_ppm=600_000)

    policy = approve_claim(claim_id=claim.id, actor=reviewer, reason="The manuscript convinces.", now=LATER)

    before = get_policy(work_id=get_work(record).id, territory=None, at=NOW)
    assert before.valid_to == LATER
    assert get_policy(work_id=get_work(record).id, territory=None, at=LATER) == policy
    assert [(line.payee, line.share_ppm) for line in list_lines(policy)] == [
        ("PLATFORM", 0),
        ("HOLDER", 600_000),
        ("UPLOADER", 400_000),
    ]
    assert get_work(record).title == claim.title


def test_a_claim_is_approved_once(alice, reviewer, uploader):
    record = make_record(uploader, now=NOW)
    claim = make_claim(alice, holder=make_holder(alice, now=NOW), record=record, now=NOW)
    approve_claim(claim_id=claim.id, actor=reviewer, reason="yes", now=LATER)

    with pytest.raises(ClaimStateError, match="approved, not submitted"):
        approve_claim(claim_id=claim.id, actor=reviewer, reason="yes", now=LATER)
    assert SplitPolicy.objects.filter(work=record.work).count() == 2


def test_approvals_never_exceed_the_whole_of_a_work(alice, reviewer, uploader):
    record = make_record(uploader, now=NOW)
    bob = make_user("bob")
    first = make_claim(alice, holder=make_holder(alice, now=NOW), record=record, now=NOW, share_ppm=700_000)
    second = make_claim(bob, holder=make_holder(bob, now=NOW), record=record, now=NOW, share_ppm=300_001)
    approve_claim(claim_id=first.id, actor=reviewer, reason="yes", now=LATER)

    with pytest.raises(SharesExceedWholeError, match="by 1 ppm"):
        approve_claim(claim_id=second.id, actor=reviewer, reason="yes", now=LATER.replace(minute=1))
    second.refresh_from_db()
    assert second.state == Claim.State.SUBMITTED


def test_nobody_decides_a_claim_that_they_gain_by(alice, uploader):
    claim = make_claim(alice, holder=make_holder(alice, now=NOW), record=make_record(uploader, now=NOW), now=NOW)

    with pytest.raises(ReviewerConflictError):
        approve_claim(claim_id=claim.id, actor=alice, reason="mine", now=LATER)


def test_a_rejected_claim_changes_no_policy(alice, reviewer, uploader):
    record = make_record(uploader, now=NOW)
    claim = make_claim(alice, holder=make_holder(alice, now=NOW), record=record, now=NOW)

    rejected = reject_claim(claim_id=claim.id, actor=reviewer, reason="no evidence", now=LATER)

    assert rejected.state == Claim.State.REJECTED
    assert SplitPolicy.objects.filter(work=record.work).count() == 1
    assert ClaimEvent.objects.filter(claim=claim, reason="no evidence").exists()


def test_a_withdrawn_claim_makes_room_for_another(alice, uploader):
    record = make_record(uploader, now=NOW)
    holder = make_holder(alice, now=NOW)
    claim = make_claim(alice, holder=holder, record=record, now=NOW)

    withdraw_claim(claim_id=claim.id, user=alice, now=LATER)

    assert make_claim(alice, holder=holder, record=record, now=LATER).state == Claim.State.SUBMITTED


def test_carol_cannot_withdraw_alices_claim(alice, uploader):
    claim = make_claim(alice, holder=make_holder(alice, now=NOW), record=make_record(uploader, now=NOW), now=NOW)

    with pytest.raises(ClaimNotFoundError):
        withdraw_claim(claim_id=claim.id, user=make_user("carol"), now=LATER)


def test_refuses_to_decide_an_unknown_claim(reviewer):
    with pytest.raises(ClaimNotFoundError):
        reject_claim(claim_id=Claim().id, actor=reviewer, reason="?", now=NOW)


def test_a_holders_payout_address_must_be_one_of_the_network(alice):
    with pytest.raises(AddressError):
        create_holder(user=alice, name="Alice", payout_address="1BoatSLRHtKNngkdXEeobR76b53LETtpyT", now=NOW)
    assert not RightsHolder.objects.exists()
    assert create_holder(
        user=alice, name="Alice", payout_address=generate_key().address(REGTEST), now=NOW
    ).members.filter(user=alice)
