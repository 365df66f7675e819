"""Migrations that change rows, run over rows of the schema before them."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chain.models import AllowedReorganisation, FollowedBlock, FollowerState
from tests.factories.payouts import NOW

BEFORE = ("payouts", "0005_carries_in_the_plural")
AFTER = ("payouts", "0006_cursor_of_a_network")


@pytest.fixture
def before(transactional_db: None) -> Iterator[None]:
    """The schema before, with payouts' cursor at height 1 and what is noted about it; afterwards the newest again."""
    MigrationExecutor(connection).migrate([BEFORE])
    for height in (0, 1):
        add_block("payouts", height)
    FollowerState.objects.create(consumer="payouts", followed_at=NOW)
    AllowedReorganisation.objects.create(consumer="payouts", fork_height=0, fork_hash="00" * 32, allowed_at=NOW)
    yield
    call_command("migrate", verbosity=0)


def add_block(consumer: str, height: int) -> None:
    FollowedBlock.objects.create(
        consumer=consumer, height=height, hash=f"{height + 1:064x}", previous_hash=f"{height:064x}"
    )


def list_names() -> list[tuple[str, ...]]:
    """Return the consumers of each table."""
    models = (FollowedBlock, FollowerState, AllowedReorganisation)
    return [tuple(model.objects.order_by("consumer").values_list("consumer", flat=True)) for model in models]


def test_the_cursor_gets_the_name_of_the_settings_network_and_loses_it_again(before: None):
    MigrationExecutor(connection).migrate([AFTER])
    assert list_names() == [("payouts:regtest",) * 2, ("payouts:regtest",), ("payouts:regtest",)]

    MigrationExecutor(connection).migrate([BEFORE])
    assert list_names() == [("payouts",) * 2, ("payouts",), ("payouts",)]


def test_a_cursor_of_the_registrys_with_the_same_block_tells_the_network(before: None):
    add_block("registry:signet", 1)

    MigrationExecutor(connection).migrate([AFTER])

    assert list_names() == [
        ("payouts:signet", "payouts:signet", "registry:signet"),
        ("payouts:signet",),
        ("payouts:signet",),
    ]


def test_a_database_that_followed_nothing_has_nothing_to_rename(before: None):
    FollowedBlock.objects.all().delete()
    FollowerState.objects.all().delete()
    AllowedReorganisation.objects.all().delete()

    MigrationExecutor(connection).migrate([AFTER])

    assert list_names() == [(), (), ()]
