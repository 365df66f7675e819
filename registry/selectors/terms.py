"""What a transfer of a link costs at a moment, and who is paid."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from registry.errors import PolicyNotFoundError, RecordNotReadyError
from registry.models import Record, SplitPolicy
from registry.models.rights import WORLD
from storage.selectors import get_held_link


@dataclass(frozen=True, slots=True)
class TermsLine:
    """One line of the split policy in force. `name` is for people: a rights holder's name, or who else is paid."""

    position: int
    payee: str
    holder_id: UUID | None
    name: str
    fee_bp: int
    share_ppm: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a transfer is charged, and the record, work and policy version that it is charged under.

    The link may have expired or been used up: whoever began a transfer before goes on under these terms.
    """

    link_id: UUID
    blob_id: UUID
    record_id: UUID
    work_id: UUID
    policy_id: UUID
    price_msat: int
    owner_id: UUID
    uploader_id: UUID
    length: int
    lines: tuple[TermsLine, ...]
    expires_at: datetime | None
    transfers_max: int | None
    transfers_left: int | None


def get_terms(*, link_id: UUID, territory: str | None, at: datetime) -> Terms:
    """Return the terms of a link for a payer in a territory (ISO 3166-1 alpha-2; None for the world).

    Raises what `get_held_link` raises, RecordNotReadyError if its blob is not registered yet, PolicyNotFoundError if no
    policy is in force.
    """
    link = get_held_link(link_id)
    record = Record.objects.filter(blob_id=link.blob_id).only("id", "work_id", "uploader_id").first()
    if record is None or record.work_id is None or record.uploader_id is None:
        raise RecordNotReadyError
    policy = get_policy(work_id=record.work_id, territory=territory, at=at)
    return Terms(
        link_id=link.id,
        blob_id=link.blob_id,
        record_id=record.id,
        work_id=record.work_id,
        policy_id=policy.id,
        price_msat=link.price_msat,
        owner_id=link.owner_id,
        uploader_id=record.uploader_id,
        length=link.blob.length,
        lines=list_lines(policy),
        expires_at=link.expires_at,
        transfers_max=link.transfers_max,
        transfers_left=link.transfers_left,
    )


def get_policy(*, work_id: UUID, territory: str | None, at: datetime) -> SplitPolicy:
    """Return the policy in force for a work: the territory's own, else the world's.

    Raises PolicyNotFoundError if neither is.
    """
    in_force = SplitPolicy.objects.filter(
        Q(valid_to=None) | Q(valid_to__gt=at),
        work_id=work_id,
        valid_from__lte=at,
        territory__in=[territory, WORLD],
    )
    policies = in_force.prefetch_related("lines__holder")
    found = sorted(policies, key=lambda policy: (policy.territory == WORLD, -policy.version))
    if not found:
        raise PolicyNotFoundError
    return found[0]


def list_lines(policy: SplitPolicy) -> tuple[TermsLine, ...]:
    """Return a policy's lines in order, each with its holder's name.

    Whoever reads many policies prefetches `lines__holder`, as get_policy does.
    """
    lines = sorted(policy.lines.all(), key=lambda line: line.position)
    return tuple(
        TermsLine(
            position=line.position,
            payee=line.payee,
            holder_id=line.holder_id,
            name=line.holder.name if line.holder else line.get_payee_display(),
            fee_bp=line.fee_bp,
            share_ppm=line.share_ppm,
        )
        for line in lines
    )
