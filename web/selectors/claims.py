"""What a reviewer sees of a claim: the claim, what is in force, and what an approval would change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from registry.errors import ClaimNotFoundError
from registry.models import Claim, ClaimEvent, SplitLine, SplitPolicy
from registry.rules.policies import PPM_WHOLE, ApprovedShare, PolicyLine, compute_lines
from registry.selectors.terms import TermsLine, list_lines
from storage.models import Link
from web.selectors.payees import PayeeRow, list_payees, share_out
from web.selectors.records import RecordView, get_record_view

PREVIEW_TRANSFERS = 1_000


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """What one payee would get of the preview's transfers under the new policy, and gets under the present one."""

    payee: PayeeRow
    amount_msat: int
    present_msat: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What an approval would bring: the rows, or by how many ppm the shares would exceed the whole."""

    price_msat: int
    total_msat: int
    rows: tuple[PreviewRow, ...]
    excess_ppm: int


@dataclass(frozen=True, slots=True)
class ClaimView:
    """One claim under review."""

    claim: Claim
    record: RecordView
    other_claims: list[Claim]
    events: list[ClaimEvent]
    policy: SplitPolicy | None
    payees: list[PayeeRow]
    preview: Preview
    is_open: bool


def list_claims() -> QuerySet[Claim]:
    """Return claims, the oldest first, with what a queue shows of them."""
    return Claim.objects.select_related("holder", "work", "submitted_by").order_by("submitted_at", "id")


def get_claim_view(claim_id: UUID, *, now: datetime) -> ClaimView:
    """Return what a claim's page shows. Raises ClaimNotFoundError if there is no such claim."""
    claim = list_claims().filter(id=claim_id).first()
    if claim is None:
        raise ClaimNotFoundError
    record = get_record_view(claim.record_id, now=now)
    others = list(list_claims().filter(work_id=claim.work_id).exclude(id=claim.id))
    return ClaimView(
        claim=claim,
        record=record,
        other_claims=others,
        events=list(claim.events.select_related("actor", "record").order_by("at", "id")),
        policy=record.policy,
        payees=record.payees,
        preview=_preview(claim, others, present=record.policy),
        is_open=claim.state == Claim.State.SUBMITTED,
    )


def _preview(claim: Claim, others: Sequence[Claim], *, present: SplitPolicy | None) -> Preview:
    """Compute what the approval would bring, with the rules that the approval itself uses."""
    counted = [claim, *(other for other in others if other.state == Claim.State.APPROVED)]
    price_msat = _find_price(claim)
    total_msat = PREVIEW_TRANSFERS * price_msat
    excess_ppm = sum(one.share_ppm for one in counted) - PPM_WHOLE
    if excess_ppm > 0:
        return Preview(price_msat=price_msat, total_msat=total_msat, rows=(), excess_ppm=excess_ppm)
    lines = compute_lines(
        shares=[ApprovedShare(one.holder_id, one.share_ppm) for one in counted],
        platform_fee_bp=settings.CADASTRE_PLATFORM_FEE_BP,
    )
    names = {one.holder_id: one.holder.name for one in counted}
    terms = [_name_line(line, names) for line in lines]
    now_paid = _share_out_by_payee(list_lines(present) if present else (), total_msat=total_msat)
    rows = tuple(
        PreviewRow(payee, amount_msat, now_paid.get((line.payee, line.holder_id), 0))
        for payee, line, amount_msat in zip(
            list_payees(terms), terms, share_out(terms, total_msat=total_msat), strict=True
        )
    )
    return Preview(price_msat=price_msat, total_msat=total_msat, rows=rows, excess_ppm=0)


def _find_price(claim: Claim) -> int:
    """Return the price of the record's newest link that can be used, in msat; 0 without one."""
    links = Link.objects.filter(blob__record=claim.record_id, disabled_at=None, deleted_at=None).order_by(
        "-created_at", "-id"
    )
    return links.values_list("price_msat", flat=True).first() or 0


def _name_line(line: PolicyLine, names: dict[UUID, str]) -> TermsLine:
    return TermsLine(
        position=line.position,
        payee=line.payee,
        holder_id=line.holder_id,
        name=names[line.holder_id] if line.holder_id else str(SplitLine.Payee(line.payee).label),
        fee_bp=line.fee_bp,
        share_ppm=line.share_ppm,
    )


def _share_out_by_payee(lines: Sequence[TermsLine], *, total_msat: int) -> dict[tuple[str, UUID | None], int]:
    """Return what each payee of a policy gets of an amount; a payee has at most one line."""
    if not lines:
        return {}
    amounts = share_out(lines, total_msat=total_msat)
    return {(line.payee, line.holder_id): amount for line, amount in zip(lines, amounts, strict=True)}
