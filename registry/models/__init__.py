from registry.models.anchors import Anchor, AnchorTransaction, Batch, Register
from registry.models.records import Record, Submission
from registry.models.rights import Claim, ClaimEvent, Member, RightsHolder, SplitLine, SplitPolicy, Work

__all__ = [
    "Anchor",
    "AnchorTransaction",
    "Batch",
    "Claim",
    "ClaimEvent",
    "Member",
    "Record",
    "Register",
    "RightsHolder",
    "SplitLine",
    "SplitPolicy",
    "Submission",
    "Work",
]
