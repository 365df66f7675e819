"""What many records were registered by at once."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import database.keys
from database.append_only import MakeAppendOnly, RefuseChange, RemoveTriggers, SetOnce

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
    RefuseChange(
        "registry_record",
        name="registry_record_place_once",
        columns=('"index"',),
        when='NEW."index" < 0',
        sqlite_when=(
            'EXISTS (SELECT 1 FROM registry_record AS other WHERE other.id <> NEW.id AND other."index" = NEW."index")'
        ),
    ),
)


class Migration(migrations.Migration):
    """Add submissions, which are append-only, and leave records the indexes that are asked."""

    dependencies = [
        ("registry", "0003_open_batches"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        *(RemoveTriggers(triggers) for triggers in RECORD_TRIGGERS),
        migrations.AlterModelOptions(name="record", options={"ordering": ["-id"]}),
        migrations.RemoveIndex(model_name="record", name="registry_record_newest"),
        migrations.AlterField(
            model_name="record",
            name="uploader",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="records",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="record",
            name="work",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="records",
                to="registry.work",
            ),
        ),
        migrations.AddIndex(
            model_name="record",
            index=models.Index(
                condition=models.Q(("work__isnull", False)), fields=["work"], name="registry_record_of_work"
            ),
        ),
        *RECORD_TRIGGERS,
        migrations.CreateModel(
            name="Submission",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=database.keys.make_key, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("body_sha256", models.BinaryField(max_length=32)),
                ("first_id", models.UUIDField(help_text="The key of the first line's record.", unique=True)),
                ("count", models.PositiveIntegerField()),
                ("registered_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="submissions",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-registered_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "key"), name="registry_submission_key_once")
                ],
            },
        ),
        MakeAppendOnly(
            "registry_submission",
            columns=("id", "user_id", "key", "body_sha256", "first_id", "count", "registered_at"),
            unique_columns=("id", "first_id", ("user_id", "key")),
        ),
    ]
