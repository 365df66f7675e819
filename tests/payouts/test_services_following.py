"""The cursor of payouts: each network has its own, and one is not moved by what happens on another."""

import pytest
from pytest_django.fixtures import Settings

from chain.follower import find_tip
from chain.models import FollowedBlock, FollowerState
from payouts.services.following import follow_chain, get_consumer
from tests.factories.payouts import NOW
from tests.nodes import DevnodeProcess


def test_the_settings_say_which_network_is_followed(settings: Settings):
    assert get_consumer() == "payouts:regtest"

    settings.CADASTRE_NETWORK = "signet"

    assert get_consumer() == "payouts:signet"


@pytest.mark.django_db(transaction=True)
def test_the_cursor_of_another_network_stays_where_it_is(devnode: DevnodeProcess):
    FollowedBlock.objects.create(consumer="payouts:signet", height=7, hash="77" * 32, previous_hash="66" * 32)

    assert follow_chain(node=devnode.client, now=NOW) > 0

    tip = find_tip("payouts:regtest")
    assert tip is not None
    assert tip.hash == devnode.client.get_best_block_hash()
    assert [row.height for row in FollowedBlock.objects.filter(consumer="payouts:signet")] == [7]
    assert FollowerState.objects.get().consumer == "payouts:regtest"
