"""The double-entry ledger: accounts, entries and postings, each posting balanced by construction."""

from django.db import models

from database.amounts import amount_constraint
from database.keys import make_key


class LedgerAccount(models.Model):
    """A balance in the ledger. Its balance is the sum of its postings; no total is stored in the row."""

    class Kind(models.TextChoices):
        DEPOSITS = "DEPOSITS", "deposits received on chain"
        READERS = "READERS", "readers' balances"
        PAYABLE = "PAYABLE", "payable to a payee"
        ESCROW = "ESCROW", "in escrow for a dispute"
        UNCLAIMED = "UNCLAIMED", "unclaimed"
        SUSPENSE = "SUSPENSE", "dust carried forward"
        PLATFORM = "PLATFORM", "the platform's fees"
        IN_TRANSIT = "IN_TRANSIT", "payouts on their way"
        PAID = "PAID", "paid out"
        MINER_FEES = "MINER_FEES", "miner fees"
        CAPITAL = "CAPITAL", "the operator's capital"
        RECEIVABLE = "RECEIVABLE", "owed by readers whose deposit was undone"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    code = models.CharField(max_length=100, unique=True, help_text="READERS, or PAYABLE:holder:<id>, for example.")
    holder = models.ForeignKey(
        "registry.RightsHolder", on_delete=models.PROTECT, null=True, related_name="ledger_accounts"
    )
    user = models.ForeignKey("users.User", on_delete=models.PROTECT, null=True, related_name="ledger_accounts")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "holder"], name="payouts_account_once_a_holder"),
            models.UniqueConstraint(fields=["kind", "user"], name="payouts_account_once_a_user"),
            models.CheckConstraint(
                name="payouts_account_one_owner", condition=models.Q(holder=None) | models.Q(user=None)
            ),
        ]

    def __str__(self) -> str:
        return self.code


class JournalEntry(models.Model):
    """One dated event. Its source key is unique, so that the same event counts once. Append-only."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    source_key = models.CharField(max_length=200, unique=True)
    description = models.CharField(max_length=200)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reversal")
    posted_at = models.DateTimeField()

    class Meta:
        ordering = ["-posted_at", "-id"]
        verbose_name_plural = "journal entries"

    def __str__(self) -> str:
        return self.source_key


class Posting(models.Model):
    """One line of an entry: an amount above zero from a debit account to a credit account. Append-only."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    entry = models.ForeignKey(JournalEntry, on_delete=models.PROTECT, related_name="postings")
    debit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="debits")
    credit = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="credits")
    amount_msat = models.BigIntegerField()

    class Meta:
        ordering = ["entry", "id"]
        constraints = [
            amount_constraint(name="payouts_posting_amount_positive", field="amount_msat", minimum=1),
            models.CheckConstraint(name="payouts_posting_two_accounts", condition=~models.Q(debit=models.F("credit"))),
        ]

    def __str__(self) -> str:
        return f"{self.amount_msat} msat"
