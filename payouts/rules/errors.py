"""What can go wrong when money's rules are applied or replayed. No Django here: auditors use these rules too."""


class RuleError(Exception):
    """The rules of money cannot be applied to this input."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class AllocationError(RuleError):
    """A split policy's lines do not share out exactly the whole."""


class SumTreeError(RuleError):
    """The settlement tree cannot be built, or a proof does not fit it."""


class SumOverflowError(SumTreeError):
    """A sum in the settlement tree reaches 2**63 millisatoshi."""


class InclusionError(SumTreeError):
    """The proof does not show that the leaf is in the tree."""


class ReplayError(RuleError):
    """The exported ledger breaks a rule of the ledger."""
