"""Shares a window's groups out under their policies, and carries what is less than a millisatoshi to the next window.

When a policy version has ended, its remainders are given out; refunds that come later keep the sum exact all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from database.transactions import require_transaction
from payouts.models import Carry, LedgerAccount
from payouts.rules.allocation import Entitlement, PolicyLine, accrue, give_out_remainders, weigh_lines
from payouts.selectors.groups import Group
from payouts.services.ledger import get_or_create_account
from registry.models import SplitLine, SplitPolicy
from registry.selectors.terms import TermsLine, list_lines

Kind = LedgerAccount.Kind
Payee = SplitLine.Payee
CarryKey = tuple[UUID, UUID, UUID | None]
QUERY_CHUNK = 500
ENTITLEMENT_COLUMNS = ("entitled_msat", "remainder", "posted_msat", "closed_at")

FIXED_KINDS = {
    Payee.PLATFORM: Kind.PLATFORM,
    Payee.UNCLAIMED: Kind.UNCLAIMED,
    Payee.ESCROW: Kind.ESCROW,
}


@dataclass(frozen=True, slots=True)
class Share:
    """What one line of a group's policy got in a window, in millisatoshi; below zero where refunds outweigh."""

    group: Group
    position: int
    account: LedgerAccount
    amount_msat: int


def share_groups(*, groups: Sequence[Group], ended_by: datetime, now: datetime) -> list[Share]:
    """Share groups out, and give out the remainders of the policy versions that ended by a time: a step.

    Returns the shares of every line of a group that has an amount, and of any other line that gets something.
    """
    require_transaction()
    concerned = [*groups, *_list_ended(ended_by=ended_by, besides={group.carry_key for group in groups})]
    policies = _load_policies({group.policy_id for group in concerned})
    carries = _load_carries({group.policy_id for group in concerned})
    shares: list[Share] = []
    made: list[Carry] = []
    for group in concerned:
        policy, lines = policies[group.policy_id]
        rows = carries.get(group.carry_key)
        if rows is None:
            rows = _draft_carries(group=group, lines=lines, now=now)
            made += rows
        if policy.valid_to is not None and policy.valid_to <= ended_by:
            for row in rows:
                row.closed_at = row.closed_at or now
        shares += _share_group(group=group, lines=lines, rows=rows)
    Carry.objects.bulk_create(made)
    changed = [row for group in concerned for row in carries.get(group.carry_key, ())]
    Carry.objects.bulk_update(changed, ENTITLEMENT_COLUMNS, batch_size=QUERY_CHUNK)
    return shares


def _share_group(*, group: Group, lines: Sequence[TermsLine], rows: Sequence[Carry]) -> list[Share]:
    """Accrue a group's amount on its carries, which the caller saves, and return what each line gets now."""
    weights = weigh_lines([PolicyLine(line.fee_bp, line.share_ppm) for line in lines])
    entitlements = [
        accrue(Entitlement(row.entitled_msat, row.remainder), amount_msat=group.gross_msat, weight=weight)
        for row, weight in zip(rows, weights, strict=True)
    ]
    targets = tuple(entitlement.whole_msat for entitlement in entitlements)
    if all(row.closed_at is not None for row in rows):
        targets = give_out_remainders(entitlements)
    shares = []
    for row, entitlement, target_msat in zip(rows, entitlements, targets, strict=True):
        amount_msat = target_msat - row.posted_msat
        row.entitled_msat, row.remainder = entitlement.whole_msat, entitlement.remainder
        row.posted_msat = target_msat
        if group.gross_msat or amount_msat:
            shares.append(Share(group, row.position, row.account, amount_msat))
    return shares


def _list_ended(*, ended_by: datetime, besides: set[CarryKey]) -> list[Group]:
    """Return groups of nothing for the carries that are to be closed without a transfer of their own in this window."""
    open_carries = Carry.objects.filter(closed_at=None, policy__valid_to__lte=ended_by)
    keys = open_carries.values_list("policy__work_id", "policy_id", "record_id", "record__uploader_id", "affiliate_id")
    groups = [Group(*key, transfer_count=0, gross_msat=0) for key in keys.distinct()]
    rest = [group for group in groups if group.carry_key not in besides]
    return sorted(rest, key=lambda group: tuple(str(part) for part in group.carry_key))


def _load_policies(policy_ids: set[UUID]) -> dict[UUID, tuple[SplitPolicy, tuple[TermsLine, ...]]]:
    """Return the policy versions with their lines, by id."""
    return {
        policy.id: (policy, list_lines(policy))
        for chunk in _chunks(policy_ids)
        for policy in SplitPolicy.objects.filter(id__in=chunk)
    }


def _load_carries(policy_ids: set[UUID]) -> dict[CarryKey, list[Carry]]:
    """Return the policies' carries by key, in order of position, locked where the engine locks rows."""
    carries: dict[CarryKey, list[Carry]] = {}
    for chunk in _chunks(policy_ids):
        rows = Carry.objects.select_related("account").filter(policy_id__in=chunk)
        for row in rows.select_for_update(of=("self",)).order_by("id"):
            carries.setdefault((row.policy_id, row.record_id, row.affiliate_id), []).append(row)
    return {key: sorted(rows, key=lambda row: row.position) for key, rows in carries.items()}


def _draft_carries(*, group: Group, lines: Sequence[TermsLine], now: datetime) -> list[Carry]:
    """Return the carries of a group that was never settled before, not saved yet."""
    return [
        Carry(
            policy_id=group.policy_id,
            record_id=group.record_id,
            affiliate_id=group.affiliate_id,
            position=line.position,
            account=_find_account(line=line, group=group, now=now),
        )
        for line in lines
    ]


def _find_account(*, line: TermsLine, group: Group, now: datetime) -> LedgerAccount:
    """Return the ledger account that a line's payee is paid into; an affiliate's line without one is the platform's."""
    if line.payee == Payee.HOLDER:
        return get_or_create_account(kind=Kind.PAYABLE, now=now, holder_id=line.holder_id)
    if line.payee == Payee.UPLOADER:
        return get_or_create_account(kind=Kind.PAYABLE, now=now, user_id=group.uploader_id)
    if line.payee == Payee.AFFILIATE and group.affiliate_id is not None:
        return get_or_create_account(kind=Kind.PAYABLE, now=now, user_id=group.affiliate_id)
    return get_or_create_account(kind=FIXED_KINDS.get(Payee(line.payee), Kind.PLATFORM), now=now)


def _chunks(keys: set[UUID]) -> list[list[UUID]]:
    """Split keys in order, so that no query has more parameters than an engine takes."""
    ordered = sorted(keys)
    return [ordered[start : start + QUERY_CHUNK] for start in range(0, len(ordered), QUERY_CHUNK)]
