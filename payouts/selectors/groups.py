"""A window's sums, by what decides who is paid: policy version, record and affiliate. The database adds, not Python."""

from collections import Counter
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from django.db.models import Count, Sum

from payouts.models import Microtransaction, Refund

GROUP_COLUMNS = ("work_id", "policy_id", "record_id", "uploader_id", "affiliate_id")
GroupKey = tuple[UUID, UUID, UUID, UUID, UUID | None]


@dataclass(frozen=True, slots=True)
class Group:
    """What the transfers of one policy version, record and affiliate were charged in a window, less refunds."""

    work_id: UUID
    policy_id: UUID
    record_id: UUID
    uploader_id: UUID
    affiliate_id: UUID | None
    transfer_count: int
    gross_msat: int

    @property
    def carry_key(self) -> tuple[UUID, UUID, UUID | None]:
        """What the remainders are carried by."""
        return (self.policy_id, self.record_id, self.affiliate_id)


def sum_window_groups(*, number: int) -> list[Group]:
    """Return a window's groups in a fixed order; a group that only has refunds is below zero."""
    charged = Microtransaction.objects.filter(window=number).order_by().values_list(*GROUP_COLUMNS)
    refunded = Refund.objects.filter(window=number).order_by().values_list(*GROUP_COLUMNS)
    counts: Counter[GroupKey] = Counter()
    sums: Counter[GroupKey] = Counter()
    for *parts, count, total in charged.annotate(count=Count("id"), total=Sum("amount_msat")):
        key = cast("GroupKey", tuple(parts))
        counts[key], sums[key] = count, int(total)
    for *parts, total in refunded.annotate(total=Sum("amount_msat")):
        sums[cast("GroupKey", tuple(parts))] -= int(total)
    ordered = sorted(sums, key=lambda key: tuple(str(part) for part in key))
    return [Group(*key, transfer_count=counts[key], gross_msat=sums[key]) for key in ordered]
