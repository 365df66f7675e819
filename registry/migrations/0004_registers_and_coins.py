"""Several registers, one after the other on a network; coins that top up the anchors; deadlines."""

import uuid
from importlib import import_module

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import database.keys
from database.amounts import IsStoredAsInteger
from database.append_only import MakeAppendOnly, RefuseChange, RemoveTriggers, SetOnce

before = import_module("registry.migrations.0003_open_batches")

OLD_REGISTER_TRIGGERS = MakeAppendOnly(
    "registry_register",
    columns=("id", "network", "first_txid", "first_vout", "first_value_sat", "first_script", "founded_at"),
    unique_columns=("id", "network"),
)
REGISTER_TRIGGERS = MakeAppendOnly(
    "registry_register",
    columns=(*OLD_REGISTER_TRIGGERS.columns, "succeeds_id"),
    unique_columns=("id", "succeeds_id", ("network", "first_txid", "first_vout")),
    replaced_when=("network = NEW.network AND succeeds_id IS NULL AND NEW.succeeds_id IS NULL",),
)
RECORD_TRIGGERS = (
    MakeAppendOnly(
        "registry_record",
        columns=before.RECORD_TRIGGERS[0].columns,
        unique_columns=("id", "leaf", "blob_id", ("batch_id", '"index"')),
    ),
    SetOnce("registry_record", column="batch_id"),
    SetOnce("registry_record", column="index"),
    # An UPDATE OR REPLACE that gives a record a place which another has would delete the other, without any trigger.
    RefuseChange(
        "registry_record",
        name="registry_record_place_once",
        columns=('"index"',),
        when='NEW."index" < 0',
        sqlite_when=(
            "EXISTS (SELECT 1 FROM registry_record AS other WHERE other.id <> NEW.id "
            'AND other.batch_id = NEW.batch_id AND other."index" = NEW."index")'
        ),
    ),
)
BATCH_TRIGGERS = (
    MakeAppendOnly(
        "registry_batch",
        columns=(*before.BATCH_TRIGGERS[0].columns, "continues_id"),
        unique_columns=(*before.BATCH_TRIGGERS[0].unique_columns, "continues_id"),
        replaced_when=before.BATCH_TRIGGERS[0].replaced_when,
    ),
    *before.BATCH_TRIGGERS[1:],
)
COIN_TRIGGERS = MakeAppendOnly(
    "registry_anchorcoin",
    columns=("id", "network", "txid", "vout", "value_sat", "script", "is_coinbase"),
    unique_columns=("id", ("network", "txid", "vout")),
)
SCRIPT_TRIGGERS = MakeAppendOnly(
    "registry_anchorscript",
    columns=("id", "register_id", "script", "added_at"),
    unique_columns=("id", ("register_id", "script")),
)


def name_the_network(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the registry's cursor the name of its network, and registers the script that founded them."""
    registers = list(apps.get_model("registry", "Register").objects.all())
    network = registers[0].network if len(registers) == 1 else settings.CADASTRE_NETWORK
    followed = apps.get_model("chain", "FollowedBlock").objects
    followed.filter(consumer="registry").update(consumer=f"registry:{network}")
    apps.get_model("registry", "AnchorScript").objects.bulk_create(
        apps.get_model("registry", "AnchorScript")(
            id=database.keys.make_key(),
            register_id=register.id,
            script=bytes(register.first_script),
            added_at=register.founded_at,
        )
        for register in registers
    )


def forget_the_network(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the cursor its old name again."""
    followed = apps.get_model("chain", "FollowedBlock").objects
    followed.filter(consumer=f"registry:{settings.CADASTRE_NETWORK}").update(consumer="registry")


def make_id() -> models.UUIDField[uuid.UUID, uuid.UUID]:
    """Return a key's column."""
    return models.UUIDField(default=database.keys.make_key, editable=False, primary_key=True, serialize=False)


class Migration(migrations.Migration):
    """Keep registers, networks and the anchors' coins apart."""

    dependencies = [("registry", "0003_open_batches"), ("chain", "0001_initial")]

    operations = [
        *(
            RemoveTriggers(triggers)
            for triggers in (
                *before.RECORD_TRIGGERS,
                before.RECORD_PLACE,
                *before.BATCH_TRIGGERS,
                OLD_REGISTER_TRIGGERS,
            )
        ),
        migrations.CreateModel(
            name="AnchorCoin",
            fields=[
                ("id", make_id()),
                ("network", models.CharField(max_length=10)),
                ("txid", models.CharField(max_length=64)),
                ("vout", models.PositiveIntegerField()),
                ("value_sat", models.BigIntegerField()),
                ("script", models.BinaryField(max_length=22)),
                ("is_coinbase", models.BooleanField()),
                ("height", models.PositiveIntegerField(null=True)),
                ("block_hash", models.CharField(blank=True, max_length=64)),
                ("spent_txid", models.CharField(blank=True, max_length=64)),
                ("spent_block_hash", models.CharField(blank=True, max_length=64)),
            ],
            options={"ordering": ["-height"]},
        ),
        migrations.CreateModel(
            name="AnchorScript",
            fields=[
                ("id", make_id()),
                ("script", models.BinaryField(max_length=22)),
                ("added_at", models.DateTimeField()),
                (
                    "register",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="scripts", to="registry.register"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="anchor",
            name="waiting_from_height",
            field=models.PositiveIntegerField(
                null=True,
                help_text=(
                    "The followed height when the present version was first offered, or again after its block left: "
                    "the deadline counts from there."
                ),
            ),
        ),
        migrations.AddField(
            model_name="batch",
            name="continues",
            field=models.OneToOneField(
                help_text="A batch of the register before, never mined there, whose leaves this one commits to again.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="continued_by",
                to="registry.batch",
            ),
        ),
        migrations.AddField(
            model_name="register",
            name="succeeds",
            field=models.OneToOneField(
                help_text="The register before it, whose key was lost. Nothing proves the succession.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="successor",
                to="registry.register",
            ),
        ),
        migrations.AlterField(
            model_name="record",
            name="index",
            field=models.BigIntegerField(
                help_text="The leaf's place in the whole register of its batch.", null=True
            ),
        ),
        migrations.AlterField(model_name="register", name="network", field=models.CharField(max_length=10)),
        migrations.AddIndex(
            model_name="anchortransaction",
            index=models.Index(fields=["signed_at"], name="registry_anchor_signed_at"),
        ),
        migrations.AddConstraint(
            model_name="record",
            constraint=models.UniqueConstraint(
                condition=models.Q(("batch__isnull", False)),
                fields=("batch", "index"),
                name="registry_record_index_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="register",
            constraint=models.UniqueConstraint(
                condition=models.Q(("succeeds", None)), fields=("network",), name="registry_register_one_original"
            ),
        ),
        migrations.AddConstraint(
            model_name="register",
            constraint=models.UniqueConstraint(
                fields=("network", "first_txid", "first_vout"), name="registry_register_outpoint_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="anchorscript",
            constraint=models.UniqueConstraint(fields=("register", "script"), name="registry_anchor_script_once"),
        ),
        migrations.AddConstraint(
            model_name="anchorcoin",
            constraint=models.UniqueConstraint(fields=("network", "txid", "vout"), name="registry_anchor_coin_once"),
        ),
        migrations.AddConstraint(
            model_name="anchorcoin",
            constraint=models.CheckConstraint(
                condition=models.Q(("value_sat__gte", 0), IsStoredAsInteger(models.F("value_sat"))),
                name="registry_anchor_coin_value_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="anchorcoin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("block_hash", ""), ("height", None)),
                    models.Q(("height__isnull", False), models.Q(("block_hash", ""), _negated=True)),
                    _connector="OR",
                ),
                name="registry_anchor_coin_in_a_block",
            ),
        ),
        migrations.AddConstraint(
            model_name="anchorcoin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("spent_block_hash", ""), ("spent_txid", "")),
                    models.Q(
                        models.Q(("spent_txid", ""), _negated=True), models.Q(("spent_block_hash", ""), _negated=True)
                    ),
                    _connector="OR",
                ),
                name="registry_anchor_coin_spent_in_a_block",
            ),
        ),
        REGISTER_TRIGGERS,
        *RECORD_TRIGGERS,
        *BATCH_TRIGGERS,
        COIN_TRIGGERS,
        SCRIPT_TRIGGERS,
        migrations.RunPython(name_the_network, forget_the_network),
    ]
