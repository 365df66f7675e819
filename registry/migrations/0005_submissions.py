"""What many records were registered by at once."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import database.keys
from database.append_only import MakeAppendOnly


class Migration(migrations.Migration):
    """Add submissions, which are append-only."""

    dependencies = [
        ("registry", "0003_open_batches"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
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
