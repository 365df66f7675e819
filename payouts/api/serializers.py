"""What the API takes and gives about money."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from payouts.models import Microtransaction, Payout, SettlementWindow, Statement, WalletCoin
from payouts.selectors.closing import ClosingAccount, ClosingSide, CoinTotal
from users.api.fields import AMOUNT_MSAT_MAX, Base64Url32Field, Hex32Field, MoneySerializer

MSAT_PER_SAT = 1_000


class SignedMoneySerializer(serializers.Serializer[Any]):
    """An amount of money in millisatoshi that may be below 0."""

    amount_msat = serializers.IntegerField()


class TransferHeaders(serializers.Serializer[Any]):
    """What a transfer's request may say in its headers."""

    price_max = serializers.IntegerField(min_value=0, max_value=AMOUNT_MSAT_MAX, required=False)
    territory = serializers.RegexField("^[A-Z]{2}$", required=False)
    nonce_sha256 = Hex32Field(required=False)
    given_pass = Base64Url32Field(required=False)


class BalanceOutput(serializers.Serializer[Any]):
    """A prepaid balance."""

    balance = MoneySerializer()
    is_frozen = serializers.BooleanField(help_text="Set while an undone deposit that was spent is not repaid.")


class DepositAddressOutput(serializers.Serializer[Any]):
    """An address to deposit to, used by nobody else."""

    address = serializers.CharField()
    confirmations = serializers.IntegerField(help_text="How deep in the chain a deposit is credited.")
    minimum = MoneySerializer(help_text="A smaller deposit is never credited.")


class DepositOutput(serializers.ModelSerializer[WalletCoin]):
    """A coin that arrived at one of the caller's addresses."""

    address = serializers.CharField(source="deposit_address.address")
    amount = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(source="seen_at")

    class Meta:
        model = WalletCoin
        fields = ("id", "txid", "vout", "address", "amount", "kind", "state", "height", "created_at")

    @extend_schema_field(MoneySerializer)
    def get_amount(self, coin: WalletCoin) -> dict[str, int]:
        """Return the coin's value."""
        return {"amount_msat": coin.value_sat * MSAT_PER_SAT}


class TransferOutput(serializers.ModelSerializer[Microtransaction]):
    """What one of the caller's transfers was charged."""

    link = serializers.UUIDField(source="link_id")
    record = serializers.UUIDField(source="record_id")
    amount = serializers.SerializerMethodField()

    class Meta:
        model = Microtransaction
        fields = ("id", "link", "record", "amount", "reason", "window", "created_at")

    @extend_schema_field(MoneySerializer)
    def get_amount(self, paid: Microtransaction) -> dict[str, int]:
        """Return what was charged."""
        return {"amount_msat": paid.amount_msat}


class PayoutAddressSerializer(serializers.Serializer[Any]):
    """Where the caller is paid as an uploader."""

    address = serializers.CharField(max_length=100)


class PayoutAddressOutput(serializers.Serializer[Any]):
    """Where the caller is paid as an uploader, if they have said it."""

    address = serializers.CharField(allow_null=True)


class TreeOutput(serializers.Serializer[Any]):
    """One of a window's two trees. `root` is 64 hexadecimal digits, zeros for a tree without leaves."""

    count = serializers.IntegerField()
    sum = MoneySerializer()
    root = Hex32Field()  # type: ignore[assignment]  # it shadows a property of the library that is not used here


class SettlementOutput(serializers.ModelSerializer[SettlementWindow]):
    """A settled window."""

    transfers = serializers.SerializerMethodField()
    refunds = serializers.SerializerMethodField()
    record = serializers.UUIDField(source="record_id")

    class Meta:
        model = SettlementWindow
        fields = ("number", "opened_at", "closed_at", "settled_at", "transfers", "refunds", "record")

    @extend_schema_field(TreeOutput)
    def get_transfers(self, window: SettlementWindow) -> dict[str, Any]:
        """Return the tree of what was charged."""
        return _describe_tree(window.count, window.sum_msat, window.root)

    @extend_schema_field(TreeOutput)
    def get_refunds(self, window: SettlementWindow) -> dict[str, Any]:
        """Return the tree of what was refunded."""
        return _describe_tree(window.refund_count, window.refund_sum_msat, window.refund_root)


class StatementOutput(serializers.ModelSerializer[Statement]):
    """A statement of the caller, without its lines."""

    account = serializers.CharField(source="account.code")
    total = serializers.SerializerMethodField()
    record = serializers.UUIDField(source="record_id")

    class Meta:
        model = Statement
        fields = ("id", "account", "number", "first_window", "last_window", "total", "record", "made_at")

    @extend_schema_field(SignedMoneySerializer)
    def get_total(self, statement: Statement) -> dict[str, int]:
        """Return what was earned; below 0 only where refunds outweigh."""
        return {"amount_msat": statement.total_msat}


class StatementDetailOutput(StatementOutput):
    """A statement of the caller with the registered document."""

    document = serializers.SerializerMethodField(help_text="The registered document, whose amounts are strings.")

    class Meta:
        model = Statement
        fields = (*StatementOutput.Meta.fields, "document")

    @extend_schema_field({"type": "object"})
    def get_document(self, statement: Statement) -> Any:
        """Return the document that the record commits to."""
        return json.loads(bytes(statement.record.document or b"null"))


class PayoutOutput(serializers.ModelSerializer[Payout]):
    """A payout to the caller."""

    account = serializers.CharField(source="account.code")
    amount = serializers.SerializerMethodField()
    state = serializers.CharField(source="batch.state")
    txid = serializers.CharField(source="batch.txid", allow_null=True)

    class Meta:
        model = Payout
        fields = ("id", "account", "address", "amount", "state", "txid", "created_at")

    @extend_schema_field(MoneySerializer)
    def get_amount(self, payout: Payout) -> dict[str, int]:
        """Return what is paid."""
        return {"amount_msat": payout.amount_sat * MSAT_PER_SAT}


class ClosingLineOutput(serializers.Serializer[Any]):
    """One line of the closing account, with what it adds."""

    name = serializers.CharField()
    amount_msat = serializers.IntegerField()


class ClosingSideOutput(serializers.Serializer[Any]):
    """One side of the closing account."""

    deposits = MoneySerializer()
    lines = ClosingLineOutput(many=True)


class CoinTotalOutput(serializers.Serializer[Any]):
    """Coins of a kind that is never credited."""

    count = serializers.IntegerField()
    sum = MoneySerializer()


class ClosingAccountOutput(serializers.Serializer[Any]):
    """Where every deposit is now, from the chain and from the ledger."""

    is_balanced = serializers.BooleanField()
    chain = ClosingSideOutput()
    ledger = ClosingSideOutput()
    readers_ledger = SignedMoneySerializer()
    readers_rows = SignedMoneySerializer(help_text="Readers' balances and what is charged but not settled yet.")
    foreign_spends = MoneySerializer(help_text="Coins that somebody else has spent.")
    unattributed = CoinTotalOutput(help_text="Unspent coins to addresses that were never handed out; on neither side.")
    dust = CoinTotalOutput(help_text="Unspent coins below the least deposit; on neither side.")


def describe_closing_account(account: ClosingAccount) -> dict[str, Any]:
    """Return the closing account as the API writes it."""
    return {
        "is_balanced": account.is_balanced,
        "chain": _describe_side(account.chain),
        "ledger": _describe_side(account.ledger),
        "readers_ledger": {"amount_msat": account.readers_ledger_msat},
        "readers_rows": {"amount_msat": account.readers_rows_msat},
        "foreign_spends": {"amount_msat": account.foreign_spends_msat},
        "unattributed": _describe_coins(account.unattributed),
        "dust": _describe_coins(account.dust),
    }


def _describe_coins(total: CoinTotal) -> dict[str, Any]:
    return {"count": total.count, "sum": {"amount_msat": total.sum_msat}}


def _describe_side(side: ClosingSide) -> dict[str, Any]:
    return {
        "deposits": {"amount_msat": side.deposits_msat},
        "lines": [{"name": line.name, "amount_msat": line.amount_msat} for line in side.lines],
    }


def _describe_tree(count: int | None, sum_msat: int | None, root: bytes | memoryview | None) -> dict[str, Any]:
    return {"count": count, "sum": {"amount_msat": sum_msat}, "root": bytes(root or b"").hex()}
