"""Live facts of the register: what the home page counts, and what the status page says is waiting."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from chain.follower import find_tip
from payouts.models import SettlementWindow
from payouts.services.following import CONSUMER as PAYOUTS_CONSUMER
from registry.models import Anchor, Batch, Claim, Record, Register
from registry.selectors.batches import get_oldest_unanchored_at
from registry.services.batches import CONSUMER as REGISTRY_CONSUMER
from web.plats import Parcel, draw_plat


@dataclass(frozen=True, slots=True)
class RegisterFacts:
    """What the register holds; the last anchor is the highest one in a block, None before the first.

    `plat` draws its commitment.
    """

    records: int
    anchored_batches: int
    last_anchor: Anchor | None
    transfers_settled: int
    plat: tuple[Parcel, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A state that rows wait in: how many, and for how many seconds the oldest has; 0 when none does."""

    what: str
    count: int
    oldest_seconds: int


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """How far the sweeps have come: heights are None before the first followed block."""

    is_founded: bool
    is_everything_anchored: bool
    oldest_unanchored_seconds: int
    waiting: tuple[Waiting, ...]
    registry_height: int | None
    payouts_height: int | None


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    """What a reviewer wants to know first."""

    claims_waiting: int
    oldest_unanchored_seconds: int
    batches_sealed: int
    batches_waiting: int
    batches_anchored: int


def get_register_facts() -> RegisterFacts:
    """Return what the register holds, without counting the records that have their places one by one."""
    last_batch = Batch.objects.order_by("-seq").first()
    placed = last_batch.first_index + last_batch.size if last_batch else 0
    mined = Anchor.objects.filter(height__isnull=False)
    last_anchor = mined.select_related("current", "batch").order_by("-batch__seq").first()
    settled = SettlementWindow.objects.filter(state=SettlementWindow.State.SETTLED).aggregate(total=Sum("count"))
    return RegisterFacts(
        records=placed + Record.objects.filter(batch=None).count(),
        anchored_batches=mined.count(),
        last_anchor=last_anchor,
        transfers_settled=int(settled["total"] or 0),
        plat=draw_plat(bytes(last_anchor.batch.commitment)) if last_anchor else (),
    )


def get_status(*, now: datetime) -> StatusFacts:
    """Return how long rows have waited for their sweeps, and how far the chain has been followed."""
    registry_tip, payouts_tip = find_tip(REGISTRY_CONSUMER), find_tip(PAYOUTS_CONSUMER)
    in_flight = Anchor.objects.filter(height=None).order_by("changed_at")
    unbatched = Record.objects.filter(batch=None).order_by("id")
    unsigned = Batch.objects.filter(state=Batch.State.SEALED, anchor=None).order_by("sealed_at")
    closed = SettlementWindow.objects.filter(state=SettlementWindow.State.CLOSED).order_by("closed_at")
    oldest_unanchored_at = get_oldest_unanchored_at()
    return StatusFacts(
        is_founded=Register.objects.exists(),
        is_everything_anchored=oldest_unanchored_at is None,
        oldest_unanchored_seconds=_seconds_since(oldest_unanchored_at, now),
        waiting=(
            _wait("records for a batch", unbatched.count(), unbatched.values_list("registered_at").first(), now),
            _wait("batches for an anchor", unsigned.count(), unsigned.values_list("sealed_at").first(), now),
            _wait("anchors for a block", in_flight.count(), in_flight.values_list("changed_at").first(), now),
            _wait("windows for settlement", closed.count(), closed.values_list("closed_at").first(), now),
        ),
        registry_height=registry_tip.height if registry_tip else None,
        payouts_height=payouts_tip.height if payouts_tip else None,
    )


def get_review_facts(*, now: datetime) -> ReviewFacts:
    """Return the counts of the admin's first page."""
    sealed = Batch.objects.filter(state=Batch.State.SEALED)
    last_batch = sealed.order_by("-seq").values_list("seq", flat=True).first()
    return ReviewFacts(
        claims_waiting=Claim.objects.filter(state=Claim.State.SUBMITTED).count(),
        oldest_unanchored_seconds=_seconds_since(get_oldest_unanchored_at(), now),
        batches_sealed=0 if last_batch is None else last_batch + 1,
        batches_waiting=sealed.filter(anchor=None).count(),
        batches_anchored=Anchor.objects.filter(height__isnull=False).count(),
    )


def _wait(what: str, count: int, oldest: tuple[datetime | None] | None, now: datetime) -> Waiting:
    return Waiting(what=what, count=count, oldest_seconds=_seconds_since(oldest[0] if oldest else None, now))


def _seconds_since(moment: datetime | None, now: datetime) -> int:
    """Return whole seconds since a moment, 0 for none and for a clock that runs behind."""
    return 0 if moment is None else max(0, int((now - moment).total_seconds()))
