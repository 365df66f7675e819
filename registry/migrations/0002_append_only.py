"""The register never forgets: its tables are append-only below the ORM, and policies of one work never overlap."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from database.append_only import MakeAppendOnly, SetOnce

POLICY_TABLE = "registry_splitpolicy"
POSTGRESQL_NO_OVERLAP = (
    "CREATE EXTENSION IF NOT EXISTS btree_gist",
    f"ALTER TABLE {POLICY_TABLE} ADD CONSTRAINT registry_policy_no_overlap EXCLUDE USING gist "
    "(work_id WITH =, territory WITH =, tstzrange(valid_from, valid_to, '[)') WITH &&)",
)
OVERLAPS = (
    f"EXISTS (SELECT 1 FROM {POLICY_TABLE} AS other WHERE other.work_id = NEW.work_id "
    "AND other.territory = NEW.territory AND other.id <> NEW.id "
    "AND (NEW.valid_to IS NULL OR other.valid_from < NEW.valid_to) "
    "AND (other.valid_to IS NULL OR NEW.valid_from < other.valid_to))"
)
SQLITE_NO_OVERLAP = tuple(
    f"CREATE TRIGGER registry_policy_no_overlap_{event.split()[0].lower()} BEFORE {event} ON {POLICY_TABLE} "
    f"WHEN {OVERLAPS} BEGIN SELECT RAISE(ABORT, 'split policies of one work overlap'); END"
    for event in ("INSERT", "UPDATE OF valid_to")
)


def forbid_overlaps(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Forbid two policies of a work and territory to be in force at once."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in POSTGRESQL_NO_OVERLAP if is_postgresql else SQLITE_NO_OVERLAP:
        schema_editor.execute(statement, params=None)


def allow_overlaps(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Take the rule away again."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {POLICY_TABLE} DROP CONSTRAINT registry_policy_no_overlap", params=None)
        return
    for event in ("insert", "update"):
        schema_editor.execute(f"DROP TRIGGER registry_policy_no_overlap_{event}", params=None)


class Migration(migrations.Migration):
    """Make the register's tables append-only."""

    dependencies = [("registry", "0001_initial")]

    operations = [
        MakeAppendOnly(
            "registry_register",
            columns=("id", "network", "first_txid", "first_vout", "first_value_sat", "first_script", "founded_at"),
            unique_columns=("id", "network"),
        ),
        MakeAppendOnly(
            "registry_record",
            columns=(
                *("id", "kind", "sha256", "length", "root", "seal", "details", "details_salt", "details_hash", "leaf"),
                *("document", "blob_id", "uploader_id", "registered_at"),
            ),
            unique_columns=("id", "leaf", "blob_id", '"index"'),
        ),
        SetOnce("registry_record", column="batch_id"),
        SetOnce("registry_record", column="index"),
        MakeAppendOnly(
            "registry_batch",
            columns=(
                *("id", "register_id", "seq", "first_index", "size", "root", "previous_commitment"),
                *("recent_block_hash", "commitment", "sealed_at"),
            ),
            unique_columns=("id", "commitment", ("register_id", "seq"), ("register_id", "first_index")),
        ),
        MakeAppendOnly(
            "registry_anchortransaction",
            columns=("id", "anchor_id", "version", "txid", "raw", "fee_sat", "continuation_sat", "signed_at"),
            unique_columns=("id", "txid", ("anchor_id", "version")),
        ),
        MakeAppendOnly(
            "registry_claimevent",
            columns=("id", "claim_id", "actor_id", "state_before", "state_after", "reason", "record_id", "at"),
            unique_columns=("id", "record_id"),
        ),
        MakeAppendOnly(
            "registry_splitpolicy",
            columns=("id", "work_id", "territory", "version", "valid_from", "created_at"),
            unique_columns=("id", ("work_id", "territory", "version")),
        ),
        SetOnce("registry_splitpolicy", column="valid_to"),
        MakeAppendOnly(
            "registry_splitline",
            columns=("id", "policy_id", "position", "payee", "holder_id", "fee_bp", "share_ppm"),
            unique_columns=("id", ("policy_id", "position")),
        ),
        migrations.RunPython(forbid_overlaps, allow_overlaps),
    ]
