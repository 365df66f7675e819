"""How approved claims become a split policy. Django-free: auditors compute the same lines from the same claims."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

PPM_WHOLE = 1_000_000
BASIS_POINTS_WHOLE = 10_000


class SharesExceedWholeError(ValueError):
    """The approved claims on this work would exceed the whole of it."""


@dataclass(frozen=True, slots=True)
class ApprovedShare:
    """A rights holder's approved share: millionths of what is left after fees."""

    holder_id: UUID
    share_ppm: int


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One line: `payee` is a word of SplitLine.Payee; either `fee_bp` (basis points off the top) or `share_ppm`."""

    position: int
    payee: str
    holder_id: UUID | None
    fee_bp: int
    share_ppm: int


def compute_lines(*, shares: Iterable[ApprovedShare], platform_fee_bp: int) -> tuple[PolicyLine, ...]:
    """Return a policy's lines: the platform's fee, then each holder by id, then the uploader's rest.

    The shares sum to exactly 1,000,000 ppm. A line of zero is left out.
    Raises SharesExceedWholeError if the holders' shares exceed the whole, ValueError if the fee is out of range.
    """
    if not 0 <= platform_fee_bp <= BASIS_POINTS_WHOLE:
        raise ValueError(f"a fee of {platform_fee_bp} basis points is out of range")
    holders = sorted(shares, key=lambda share: share.holder_id.bytes)
    rest = PPM_WHOLE - sum(share.share_ppm for share in holders)
    if rest < 0:
        raise SharesExceedWholeError(f"the shares exceed the whole by {-rest} ppm")
    lines: list[tuple[str, UUID | None, int, int]] = []
    if platform_fee_bp:
        lines.append(("PLATFORM", None, platform_fee_bp, 0))
    lines += [("HOLDER", share.holder_id, 0, share.share_ppm) for share in holders]
    if rest:
        lines.append(("UPLOADER", None, 0, rest))
    return tuple(PolicyLine(position, *line) for position, line in enumerate(lines))
