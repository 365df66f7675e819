"""Makes the ledger, what was charged, and what followed from it append-only below the ORM."""

from typing import ClassVar

from django.db import migrations

from database.append_only import MakeAppendOnly


class Migration(migrations.Migration):
    """Triggers on six tables."""

    dependencies: ClassVar = [("payouts", "0001_initial")]

    operations: ClassVar = [
        MakeAppendOnly(
            "payouts_journalentry",
            columns=["id", "source_key", "description", "reverses_id", "posted_at"],
            unique_columns=["id", "source_key", "reverses_id"],
        ),
        MakeAppendOnly(
            "payouts_posting", columns=["id", "entry_id", "debit_id", "credit_id", "amount_msat"]
        ),
        MakeAppendOnly(
            "payouts_microtransaction",
            columns=[
                "id",
                "payer_id",
                "link_id",
                "record_id",
                "work_id",
                "policy_id",
                "uploader_id",
                "affiliate_id",
                '"window"',
                "amount_msat",
                "reason",
                "nonce_sha256",
                "created_at",
            ],
        ),
        MakeAppendOnly(
            "payouts_refund",
            columns=[
                "id",
                "microtransaction_id",
                "payer_id",
                "record_id",
                "work_id",
                "policy_id",
                "uploader_id",
                "affiliate_id",
                '"window"',
                "amount_msat",
                "reason",
                "created_at",
            ],
            unique_columns=["id", "microtransaction_id"],
        ),
        MakeAppendOnly(
            "payouts_settlementline",
            columns=[
                "id",
                "window_id",
                "account_id",
                "work_id",
                "policy_id",
                "record_id",
                "affiliate_id",
                "position",
                "transfer_count",
                "gross_msat",
                "amount_msat",
            ],
        ),
        MakeAppendOnly(
            "payouts_statement",
            columns=[
                "id",
                "account_id",
                "number",
                "first_window",
                "last_window",
                "total_msat",
                "record_id",
                "made_at",
            ],
            unique_columns=["id", "record_id", ("account_id", "number")],
        ),
    ]
