"""What can go wrong with money. No HTTP in here; amounts in the messages are millisatoshi or satoshi, as they say."""

from registry.selectors.terms import Terms


class PayoutsError(Exception):
    """Money could not be moved as asked."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class EmptyEntryError(PayoutsError):
    """A journal entry needs at least one posting."""


class PostingError(PayoutsError):
    """A posting moves an amount above zero between two accounts."""


class EntryExistsError(PayoutsError):
    """This event is in the ledger already."""


class ChargeError(PayoutsError):
    """The transfer cannot be charged."""


class PaymentRequiredError(ChargeError):
    """This transfer has a price that nobody has paid."""

    def __init__(self, *, terms: Terms, balance_msat: int | None) -> None:
        """Keep the terms, with the price and the payees; the balance is None if nobody signed in to pay."""
        known = "nobody signed in to pay it" if balance_msat is None else f"the balance is {balance_msat} msat"
        super().__init__(f"This transfer costs {terms.price_msat} msat, and {known}.")
        self.terms = terms
        self.price_msat = terms.price_msat
        self.balance_msat = balance_msat


class PriceAboveMaxError(ChargeError):
    """The price is above the most that the payer agreed to."""

    def __init__(self, *, price_msat: int, price_max_msat: int) -> None:
        super().__init__(f"This transfer costs {price_msat} msat, more than the {price_max_msat} msat agreed to.")
        self.price_msat = price_msat


class BalanceFrozenError(ChargeError):
    """The balance is frozen: a deposit that was already spent left the chain. A new deposit repays it."""


class TransferOverdueError(PayoutsError):
    """The transfer takes longer than an entitlement lasts, so it is broken off."""


class TransferNotFoundError(PayoutsError):
    """There is no such transfer."""


class RefundError(PayoutsError):
    """This transfer cannot be refunded: it was free, or is refunded already."""


class WindowStateError(PayoutsError):
    """The settlement window is not in the state that this needs."""


class WalletKeyMissingError(PayoutsError):
    """The payout wallet's key is not configured."""


class PayoutAddressError(PayoutsError):
    """This is not an address that a payout can go to."""


class PayoutBatchNotFoundError(PayoutsError):
    """There is no such payout batch."""


class PayoutBatchStateError(PayoutsError):
    """The payout batch is not in the state that this needs."""


class ConflictProofError(PayoutsError):
    """This does not prove that the payout batch can never be mined."""


class SelfApprovalError(PayoutsError):
    """Whoever proposed a payout batch cannot approve it."""


class PayeeApprovalError(PayoutsError):
    """Whoever is paid by a payout batch, or is a member of a rights holder that is, cannot approve it."""


class TreeMismatchError(PayoutsError):
    """The trees of a settlement window do not add up to what its groups add up to."""


class InsufficientCoinsError(PayoutsError):
    """The payout wallet's confirmed coins do not cover this batch and its fee."""


class StatementNotFoundError(PayoutsError):
    """There is no such statement."""
