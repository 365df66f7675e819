"""A batch is OPEN while it takes leaves, and SEALED once; its subtrees' roots are kept with it."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from database.append_only import MakeAppendOnly, RefuseChange, RemoveTriggers, SetOnce
from registry.proof.merkle import merkle_root

SUBTREE_LEAVES = 1_024

RECORD_TRIGGERS = (
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
)
OLD_BATCH_TRIGGERS = MakeAppendOnly(
    "registry_batch",
    columns=(
        *("id", "register_id", "seq", "first_index", "size", "root", "previous_commitment"),
        *("recent_block_hash", "commitment", "sealed_at"),
    ),
    unique_columns=("id", "commitment", ("register_id", "seq"), ("register_id", "first_index")),
)
BATCH_TRIGGERS = (
    MakeAppendOnly(
        "registry_batch",
        columns=("id", "register_id", "seq", "first_index", "size_final", "previous_commitment", "opened_at"),
        unique_columns=("id", ("register_id", "seq"), ("register_id", "first_index")),
        replaced_when=(
            "commitment = NEW.commitment AND state = 'SEALED' AND NEW.state = 'SEALED'",
            "register_id = NEW.register_id AND state = 'OPEN' AND NEW.state = 'OPEN'",
        ),
    ),
    # The constraint registry_batch_sealed_whole says which columns are empty in which state, so these two suffice.
    RefuseChange(
        "registry_batch",
        name="registry_batch_sealed_for_ever",
        columns=("size", "state", "root", "subtree_roots", "recent_block_hash", "commitment", "sealed_at"),
        when="OLD.state <> 'OPEN' OR NEW.size < OLD.size",
        sqlite_when=(
            "EXISTS (SELECT 1 FROM registry_batch AS other WHERE other.id <> NEW.id AND other.state = 'SEALED' "
            "AND other.commitment = NEW.commitment)"
        ),
    ),
)
# An UPDATE OR REPLACE that gives a record a place which another has would delete the other, without any trigger.
RECORD_PLACE = RefuseChange(
    "registry_record",
    name="registry_record_place_once",
    columns=('"index"',),
    when="NEW.\"index\" < 0",
    sqlite_when=(
        'EXISTS (SELECT 1 FROM registry_record AS other WHERE other.id <> NEW.id AND other."index" = NEW."index")'
    ),
)


def complete_sealed_batches(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Mark the batches that are there as SEALED, and compute their subtrees' roots. Raises ValueError on a gap."""
    batches = apps.get_model("registry", "Batch").objects
    leaves = apps.get_model("registry", "Record").objects.order_by("index")
    for batch in batches.order_by("seq").iterator():
        roots = []
        for first in range(batch.first_index, batch.first_index + batch.size, SUBTREE_LEAVES):
            last = min(first + SUBTREE_LEAVES, batch.first_index + batch.size)
            rows = leaves.filter(batch_id=batch.id, index__gte=first, index__lt=last).values_list("leaf", flat=True)
            roots.append(merkle_root([bytes(leaf) for leaf in rows]))
        if merkle_root(roots) != bytes(batch.root):
            raise ValueError(f"batch {batch.seq} has another root than its leaves")
        batches.filter(id=batch.id).update(
            state="SEALED", size_final=batch.size, opened_at=batch.sealed_at, subtree_roots=b"".join(roots)
        )


class Migration(migrations.Migration):
    """Give batches a state, and let them grow while they are open."""

    dependencies = [("registry", "0002_append_only")]

    operations = [
        *(RemoveTriggers(triggers) for triggers in (*RECORD_TRIGGERS, OLD_BATCH_TRIGGERS)),
        migrations.RemoveIndex(model_name="record", name="registry_record_unbatched"),
        migrations.AlterField(
            model_name="record",
            name="batch",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="records",
                to="registry.batch",
            ),
        ),
        migrations.AddIndex(
            model_name="record",
            index=models.Index(condition=models.Q(("batch", None)), fields=["id"], name="registry_record_waiting"),
        ),
        migrations.AddField(model_name="batch", name="opened_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="batch", name="size_final", field=models.BigIntegerField(null=True)),
        migrations.AddField(
            model_name="batch",
            name="state",
            field=models.CharField(choices=[("OPEN", "Open"), ("SEALED", "Sealed")], default="OPEN", max_length=6),
        ),
        migrations.AddField(
            model_name="batch",
            name="subtree_roots",
            field=models.BinaryField(default=b"", help_text="32 bytes for each 1,024 leaves, in order."),
        ),
        migrations.RunPython(complete_sealed_batches, migrations.RunPython.noop),
        migrations.AlterField(model_name="batch", name="opened_at", field=models.DateTimeField()),
        migrations.AlterField(
            model_name="batch",
            name="size_final",
            field=models.BigIntegerField(help_text="Leaves that it takes in all, fixed when it is opened."),
        ),
        migrations.AlterField(
            model_name="batch",
            name="size",
            field=models.BigIntegerField(help_text="Leaves that it holds; grows while the batch is OPEN."),
        ),
        migrations.AlterField(
            model_name="batch", name="commitment", field=models.BinaryField(default=b"", max_length=32)
        ),
        migrations.AlterField(
            model_name="batch", name="recent_block_hash", field=models.CharField(blank=True, max_length=64)
        ),
        migrations.AlterField(model_name="batch", name="root", field=models.BinaryField(default=b"", max_length=32)),
        migrations.AlterField(model_name="batch", name="sealed_at", field=models.DateTimeField(null=True)),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "SEALED")), fields=("commitment",), name="registry_batch_commitment_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "OPEN")), fields=("register",), name="registry_batch_one_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(("size__lte", models.F("size_final"))), name="registry_batch_size_in_range"
            ),
        ),
        migrations.AddConstraint(
            model_name="batch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("commitment", b""),
                        ("recent_block_hash", ""),
                        ("root", b""),
                        ("sealed_at", None),
                        ("state", "OPEN"),
                        ("subtree_roots", b""),
                    ),
                    models.Q(
                        ("sealed_at__isnull", False),
                        ("size", models.F("size_final")),
                        ("state", "SEALED"),
                        models.Q(("root", b""), _negated=True),
                        models.Q(("subtree_roots", b""), _negated=True),
                        models.Q(("recent_block_hash", ""), _negated=True),
                        models.Q(("commitment", b""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="registry_batch_sealed_whole",
            ),
        ),
        *RECORD_TRIGGERS,
        RECORD_PLACE,
        *BATCH_TRIGGERS,
    ]
