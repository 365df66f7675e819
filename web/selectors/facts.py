"""Live facts of the register, which the home page counts."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Sum

from payouts.models import SettlementWindow
from registry.models import Anchor, Batch, Record
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


def get_register_facts() -> RegisterFacts:
    """Return what the network's registers hold, without counting the records that have their places one by one."""
    # What a batch continues is counted with the batch that it continues.
    counted = Batch.objects.filter(register__network=settings.CADASTRE_NETWORK, continues=None)
    placed = counted.aggregate(total=Sum("size"))["total"]
    mined = Anchor.objects.filter(batch__register__network=settings.CADASTRE_NETWORK, height__isnull=False)
    newest = mined.select_related("current", "batch").defer("batch__subtree_roots")
    last_anchor = newest.order_by("-height", "-batch__seq").first()
    settled = SettlementWindow.objects.filter(state=SettlementWindow.State.SETTLED).aggregate(total=Sum("count"))
    return RegisterFacts(
        records=int(placed or 0) + Record.objects.filter(batch=None).count(),
        anchored_batches=mined.count(),
        last_anchor=last_anchor,
        transfers_settled=int(settled["total"] or 0),
        plat=draw_plat(bytes(last_anchor.batch.commitment)) if last_anchor else (),
    )
