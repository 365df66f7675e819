from payouts.models.ledger import JournalEntry, LedgerAccount, Posting
from payouts.models.payouts import Payout, PayoutAddress, PayoutBatch
from payouts.models.settlements import Carry, SettlementLine, SettlementWindow, Statement
from payouts.models.transfers import Balance, Entitlement, Microtransaction, OpenTransfer, Refund
from payouts.models.wallet import DepositAddress, WalletCoin

__all__ = [
    "Balance",
    "Carry",
    "DepositAddress",
    "Entitlement",
    "JournalEntry",
    "LedgerAccount",
    "Microtransaction",
    "OpenTransfer",
    "Payout",
    "PayoutAddress",
    "PayoutBatch",
    "Posting",
    "Refund",
    "SettlementLine",
    "SettlementWindow",
    "Statement",
    "WalletCoin",
]
