"""Rights holders, and the claims that publishers submit and reviewers decide. Every move is registered as a record."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from chain.keys import address_to_script
from chain.networks import get_network
from database.transactions import require_transaction
from registry.errors import (
    ClaimExistsError,
    ClaimNotFoundError,
    ClaimStateError,
    HolderNotFoundError,
    RecordNotFoundError,
    ReviewerConflictError,
)
from registry.models import Claim, ClaimEvent, Member, Record, RightsHolder, SplitPolicy, Work
from registry.rules.policies import ApprovedShare
from registry.services.policies import start_policy
from registry.services.records import format_time, make_pseudonym, register_document
from users.models import User


def create_holder(*, user: User, name: str, payout_address: str, now: datetime) -> RightsHolder:
    """Make a rights holder whose first member is the user.

    Raises AddressError if the payout address is not one of this network.
    """
    address_to_script(payout_address, get_network(settings.CADASTRE_NETWORK))
    with transaction.atomic(durable=True):
        holder = RightsHolder.objects.create(name=name, payout_address=payout_address, created_at=now)
        Member.objects.create(holder=holder, user=user, created_at=now)
    return holder


def submit_claim(
    *,
    user: User,
    holder_id: UUID,
    record_id: UUID,
    title: str,
    share_ppm: int,
    basis: str,
    evidence: str,
    now: datetime,
) -> Claim:
    """Claim a share of the work that a record embodies. A submitted claim moves no money.

    Raises HolderNotFoundError if the user is not a member of the holder, RecordNotFoundError if the record embodies no
    work, ClaimExistsError if the holder already has an active claim on the work.
    """
    holder = RightsHolder.objects.filter(id=holder_id, members__user=user).first()
    if holder is None:
        raise HolderNotFoundError
    record = Record.objects.filter(id=record_id, work__isnull=False).first()
    if record is None or record.work_id is None:
        raise RecordNotFoundError
    try:
        with transaction.atomic(durable=True):
            claim = Claim.objects.create(
                work_id=record.work_id,
                record=record,
                holder=holder,
                title=title,
                share_ppm=share_ppm,
                basis=basis,
                evidence=evidence,
                submitted_by=user,
                submitted_at=now,
            )
            _register_move(claim=claim, actor=user, state_before="", reason="submitted", now=now)
    except IntegrityError as error:
        if Claim.objects.filter(
            work_id=record.work_id, holder=holder, state__in=[Claim.State.SUBMITTED, Claim.State.APPROVED]
        ).exists():
            raise ClaimExistsError from error
        raise
    return claim


def approve_claim(*, claim_id: UUID, actor: User, reason: str, now: datetime) -> SplitPolicy:
    """Approve a submitted claim and put the split policy that follows from it in force.

    Raises ClaimStateError if the claim is not submitted, ReviewerConflictError if the actor stands to gain by it,
    SharesExceedWholeError if the work's approved claims would exceed the whole.
    """
    with transaction.atomic(durable=True):
        claim = _decide(claim_id=claim_id, actor=actor, state=Claim.State.APPROVED, reason=reason, now=now)
        approved = Claim.objects.filter(work=claim.work, state=Claim.State.APPROVED)
        policy = start_policy(
            work=claim.work,
            shares=[ApprovedShare(other.holder_id, other.share_ppm) for other in approved],
            now=now,
        )
        Work.objects.filter(id=claim.work_id, title="").update(title=claim.title)
    return policy


def reject_claim(*, claim_id: UUID, actor: User, reason: str, now: datetime) -> Claim:
    """Reject a submitted claim. No policy changes.

    Raises ClaimStateError if the claim is not submitted, ReviewerConflictError if the actor stands to gain by it.
    """
    with transaction.atomic(durable=True):
        return _decide(claim_id=claim_id, actor=actor, state=Claim.State.REJECTED, reason=reason, now=now)


def withdraw_claim(*, claim_id: UUID, user: User, now: datetime) -> Claim:
    """Withdraw one's own submitted claim.

    Raises ClaimNotFoundError if the user is not a member of its holder, ClaimStateError if it is decided already.
    """
    with transaction.atomic(durable=True):
        claim = Claim.objects.filter(id=claim_id, holder__members__user=user).first()
        if claim is None:
            raise ClaimNotFoundError
        return _move(claim=claim, actor=user, state=Claim.State.WITHDRAWN, reason="withdrawn", now=now)


def _decide(*, claim_id: UUID, actor: User, state: Claim.State, reason: str, now: datetime) -> Claim:
    """Move a submitted claim to a decision by somebody who does not gain by it."""
    # The work's row is locked first, so that two approvals on one work see each other's shares.
    claim = Claim.objects.select_related("holder").filter(id=claim_id).first()
    if claim is None:
        raise ClaimNotFoundError
    claim.work = Work.objects.select_for_update().get(id=claim.work_id)
    if _gains(actor=actor, claim=claim):
        raise ReviewerConflictError
    return _move(claim=claim, actor=actor, state=state, reason=reason, now=now)


def _gains(*, actor: User, claim: Claim) -> bool:
    """Return whether somebody has a part in the work that a claim is on: its uploader, or any claimant's member."""
    return (
        claim.submitted_by_id == actor.id
        or Record.objects.filter(work_id=claim.work_id, uploader=actor).exists()
        or Claim.objects.filter(work_id=claim.work_id, holder__members__user=actor).exists()
    )


def _move(*, claim: Claim, actor: User, state: Claim.State, reason: str, now: datetime) -> Claim:
    """Move a submitted claim by a conditional UPDATE, and register the move."""
    moved = Claim.objects.filter(id=claim.id, state=Claim.State.SUBMITTED).update(state=state)
    if not moved:
        claim.refresh_from_db(fields=["state"])
        raise ClaimStateError(f"the claim is {claim.state.lower()}, not submitted")
    claim.state = state
    _register_move(claim=claim, actor=actor, state_before=Claim.State.SUBMITTED, reason=reason, now=now)
    return claim


def _register_move(*, claim: Claim, actor: User, state_before: str, reason: str, now: datetime) -> ClaimEvent:
    """Write the event and the kind 2 record that commits to it."""
    require_transaction()
    record = register_document(
        kind=Record.Kind.RIGHTS_EVENT,
        document={
            "event": "claim",
            "claim": str(claim.id),
            "work": str(claim.work_id),
            "record": str(claim.record_id),
            "holder": str(claim.holder_id),
            "share_ppm": claim.share_ppm,
            "basis": claim.basis,
            "state_before": state_before,
            "state_after": claim.state,
            "actor": make_pseudonym(actor.id),
            "reason": reason,
            "at": format_time(now),
        },
        now=now,
    )
    return ClaimEvent.objects.create(
        claim=claim,
        actor=actor,
        state_before=state_before,
        state_after=claim.state,
        reason=reason,
        record=record,
        at=now,
    )
