"""Payouts follow each network under a name of its own, as the registry does."""

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

MODELS = ("FollowedBlock", "FollowerState", "AllowedReorganisation")


def find_followed_network(apps: StateApps) -> str:
    """Return the network whose blocks were followed: that of a cursor of the registry's with the same block, or the settings'."""
    followed = apps.get_model("chain", "FollowedBlock").objects
    hashes = followed.filter(consumer="payouts").order_by("-height").values("hash")[:1]
    shared = followed.filter(consumer__startswith="registry:", hash__in=hashes).values_list("consumer", flat=True).first()
    return str(settings.CADASTRE_NETWORK) if shared is None else str(shared).partition(":")[2]


def name_the_network(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the cursor, and what is noted about it, the name of its network."""
    name = f"payouts:{find_followed_network(apps)}"
    for model in MODELS:
        apps.get_model("chain", model).objects.filter(consumer="payouts").update(consumer=name)


def forget_the_network(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the cursor of the settings' network its old name again."""
    for model in MODELS:
        rows = apps.get_model("chain", model).objects.filter(consumer=f"payouts:{settings.CADASTRE_NETWORK}")
        rows.update(consumer="payouts")


class Migration(migrations.Migration):
    """Rename the one cursor that there is."""

    dependencies = [
        ("payouts", "0005_carries_in_the_plural"),
        ("registry", "0004_registers_and_coins"),
        ("chain", "0002_follower_states"),
    ]

    operations = [migrations.RunPython(name_the_network, forget_the_network)]
