"""The sweeps that follow the chain: what waiting may cure is tried again, what only a person can cure is said."""

import logging
from collections.abc import Callable

import pytest
from pytest_django.fixtures import Settings

from chain.errors import NodeUnavailableError
from chain.models import FollowerState
from payouts.tasks import follow_chain_task as follow_for_payouts
from registry.tasks import follow_chain_task as follow_for_registry
from tests.nodes import DevnodeProcess

pytestmark = pytest.mark.django_db
SWEEPS = [follow_for_registry, follow_for_payouts]


@pytest.mark.parametrize("sweep", SWEEPS)
def test_what_needs_an_operator_is_noted_and_logged(
    sweep: Callable[[], None], shared_devnode: DevnodeProcess, settings: Settings, caplog: pytest.LogCaptureFixture
):
    settings.CADASTRE_NODE_URL = shared_devnode.url
    settings.CADASTRE_NETWORK = "signet"
    with caplog.at_level(logging.WARNING):
        sweep()
        sweep()
    state = FollowerState.objects.get()
    assert (state.problem, state.needs_operator) == ("NetworkError", True)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in said if "follow the chain: the settings name signet" in text]) == 2
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


@pytest.mark.parametrize("sweep", SWEEPS)
def test_a_node_that_does_not_answer_is_raised_so_that_it_is_tried_again(sweep: Callable[[], None], settings: Settings):
    settings.CADASTRE_NODE_URL = "http://u:p@127.0.0.1:1"
    with pytest.raises(NodeUnavailableError):
        sweep()
    assert FollowerState.objects.get().problem == "NodeUnavailableError"
