"""Money in the admin: everything to look at and search, and two things to do: approve or cancel a payout batch."""

from typing import cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from database.admin import ReadOnlyAdmin
from payouts.errors import PayoutsError
from payouts.models import (
    Balance,
    Carry,
    DepositAddress,
    Entitlement,
    JournalEntry,
    LedgerAccount,
    Microtransaction,
    OpenTransfer,
    Payout,
    PayoutAddress,
    PayoutBatch,
    Posting,
    Refund,
    SettlementLine,
    SettlementWindow,
    Statement,
    WalletCoin,
)
from payouts.services.payouts import approve_payout_batch, cancel_payout_batch
from users.models import User


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyAdmin[LedgerAccount]):
    """Balances in the ledger, by what they are for."""

    list_display = ["code", "kind", "holder", "user", "created_at"]
    list_filter = ["kind"]
    list_select_related = ["holder", "user"]
    search_fields = ["code", "holder__name", "user__username"]


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin[JournalEntry]):
    """Events in the ledger."""

    list_display = ["source_key", "description", "reverses", "posted_at"]
    list_filter = ["posted_at"]
    list_select_related = ["reverses"]
    search_fields = ["source_key", "description"]


@admin.register(Posting)
class PostingAdmin(ReadOnlyAdmin[Posting]):
    """Lines of the events."""

    list_display = ["entry", "debit", "credit", "amount_msat"]
    list_filter = ["debit__kind", "credit__kind"]
    list_select_related = ["entry", "debit", "credit"]
    search_fields = ["entry__source_key", "debit__code", "credit__code"]


@admin.register(Balance)
class BalanceAdmin(ReadOnlyAdmin[Balance]):
    """Readers' prepaid balances."""

    list_display = ["user", "balance_msat", "frozen_at"]
    list_filter = ["frozen_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]


@admin.register(Microtransaction)
class MicrotransactionAdmin(ReadOnlyAdmin[Microtransaction]):
    """What transfers were charged."""

    list_display = ["id", "reason", "amount_msat", "window", "payer_id", "link_id", "created_at"]
    list_filter = ["reason", "created_at"]
    search_fields = ["=id", "=payer_id", "=link_id", "=record_id"]
    exclude = ["nonce_sha256"]


@admin.register(Refund)
class RefundAdmin(ReadOnlyAdmin[Refund]):
    """Prices that were returned."""

    list_display = ["id", "microtransaction_id", "amount_msat", "window", "reason", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["=id", "=microtransaction_id", "=payer_id"]


@admin.register(Entitlement)
class EntitlementAdmin(ReadOnlyAdmin[Entitlement]):
    """Rights to repeat a transfer."""

    list_display = ["id", "payer", "link", "bytes_served", "bytes_allowed", "starts_at", "ends_at"]
    list_filter = ["ends_at"]
    list_select_related = ["payer", "link"]
    search_fields = ["payer__username", "=link__id", "=transfer_id"]


@admin.register(OpenTransfer)
class OpenTransferAdmin(ReadOnlyAdmin[OpenTransfer]):
    """Transfers that are being served, or that their servers left open."""

    list_display = ["transfer_id", "entitlement", "reserved_bytes", "opened_at"]
    list_filter = ["opened_at"]
    list_select_related = ["entitlement"]
    search_fields = ["=transfer_id", "=entitlement__id", "entitlement__payer__username"]


@admin.register(SettlementWindow)
class SettlementWindowAdmin(ReadOnlyAdmin[SettlementWindow]):
    """Windows, open, closed and settled."""

    list_display = ["number", "state", "count", "sum_msat", "refund_sum_msat", "opened_at", "closed_at", "settled_at"]
    list_filter = ["state"]
    search_fields = ["=number"]
    exclude = ["root", "refund_root"]


@admin.register(SettlementLine)
class SettlementLineAdmin(ReadOnlyAdmin[SettlementLine]):
    """What windows gave to whom."""

    list_display = ["window", "account", "work", "transfer_count", "gross_msat", "amount_msat"]
    list_filter = ["account__kind"]
    list_select_related = ["window", "account", "work"]
    search_fields = ["=window__number", "account__code", "=work__id", "=record__id"]


@admin.register(Carry)
class CarryAdmin(ReadOnlyAdmin[Carry]):
    """Remainders that are carried from window to window."""

    list_display = ["policy", "record", "position", "account", "posted_msat", "remainder", "closed_at"]
    list_filter = ["closed_at"]
    list_select_related = ["policy", "record", "account"]
    search_fields = ["account__code", "=record__id", "=policy__id"]


@admin.register(Statement)
class StatementAdmin(ReadOnlyAdmin[Statement]):
    """What payees earned."""

    list_display = ["account", "number", "first_window", "last_window", "total_msat", "made_at"]
    list_filter = ["made_at"]
    list_select_related = ["account"]
    search_fields = ["account__code"]


@admin.register(DepositAddress)
class DepositAddressAdmin(ReadOnlyAdmin[DepositAddress]):
    """Addresses that were handed out."""

    list_display = ["address", "user", "index", "created_at"]
    list_filter = ["created_at"]
    list_select_related = ["user"]
    search_fields = ["=address", "user__username"]
    exclude = ["script"]


@admin.register(WalletCoin)
class WalletCoinAdmin(ReadOnlyAdmin[WalletCoin]):
    """The payout wallet's coins."""

    list_display = ["txid", "vout", "kind", "state", "value_sat", "height", "deposit_address", "spent_txid"]
    list_filter = ["kind", "state"]
    list_select_related = ["deposit_address"]
    search_fields = ["=txid", "=deposit_address__address", "=spent_txid", "=conflict_txid"]
    exclude = ["script", "parent_inputs"]


@admin.register(PayoutAddress)
class PayoutAddressAdmin(ReadOnlyAdmin[PayoutAddress]):
    """Where uploaders are paid."""

    list_display = ["address", "user", "created_at"]
    list_filter = ["created_at"]
    list_select_related = ["user"]
    search_fields = ["=address", "user__username"]


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin[Payout]):
    """Movements of money out."""

    list_display = ["account", "address", "amount_sat", "batch", "created_at"]
    list_filter = ["batch__state"]
    list_select_related = ["account", "batch"]
    search_fields = ["account__code", "=address", "=batch__txid"]


@admin.register(PayoutBatch)
class PayoutBatchAdmin(ReadOnlyAdmin[PayoutBatch]):
    """Transactions that pay many payouts; those above the limit wait here for an approver."""

    list_display = ["id", "state", "total_sat", "fee_sat", "maker", "approver", "txid", "created_at"]
    list_filter = ["state", "created_at"]
    list_select_related = ["maker", "approver"]
    search_fields = ["=id", "=txid"]
    exclude = ["raw"]
    actions = ["approve", "cancel"]

    @admin.action(description="Approve the selected payout batches", permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[PayoutBatch]) -> None:
        """Approve each selected batch and say what became of it."""
        for batch in queryset:
            try:
                approve_payout_batch(batch_id=batch.id, approver=cast("User", request.user), now=timezone.now())
            except PayoutsError as error:
                self.message_user(request, f"{batch}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{batch}: approved.", messages.SUCCESS)

    @admin.action(description="Cancel the selected payout batches", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[PayoutBatch]) -> None:
        """Cancel each selected batch and say what became of it."""
        for batch in queryset:
            try:
                cancel_payout_batch(batch_id=batch.id, now=timezone.now())
            except PayoutsError as error:
                self.message_user(request, f"{batch}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{batch}: cancelled.", messages.SUCCESS)

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the person may cancel."""
        return request.user.has_perm("payouts.cancel_payoutbatch")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Whether the person may approve."""
        return request.user.has_perm("payouts.approve_payoutbatch")
