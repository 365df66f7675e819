"""Deep reorganisations: what an operator is shown, and what is allowed by naming the fork that was shown."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from chain import follower
from chain.errors import NodeUnavailableError, ReorganisationMissingError, ReorganisationTooDeepError
from chain.follower import find_tip
from chain.follower_states import note_problem, note_progress
from chain.models import AllowedReorganisation, FollowedBlock, FollowerState
from chain.node import NodeClient
from chain.reorganisations import allow_reorganisation, find_reorganisation, list_consumers
from tests.chain.doubles import GENESIS, NodeDouble, extend, fork, hash_of, serving

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)
CHAIN = extend([GENESIS], 120)
DEEP = fork(CHAIN, 10, 111)
FORK = f"10:{hash_of(CHAIN[10])}"


def follow(node: NodeClient, consumer: str) -> int:
    """Follow without effects."""
    return follower.follow(node=node, consumer=consumer, apply=lambda _: None, now=NOW)


def run(settings: Settings, double: NodeDouble, *arguments: str) -> str:
    """Run the command on a node and return what it prints."""
    out = StringIO()
    with serving(double, port=0) as node:
        transport = node._transport
        settings.CADASTRE_NODE_URL = f"http://u:p@127.0.0.1:{transport._port}"  # type: ignore[attr-defined]
        call_command("allow_reorganisation", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def consumers() -> None:
    """Two consumers at the tip of the chain."""
    with serving(NodeDouble(CHAIN)) as node:
        follow(node, "payouts")
        follow(node, "registry")


def test_the_command_shows_and_allows_the_fork_of_every_consumer(consumers: None, settings: Settings):
    assert "payouts is on the node's chain." in run(settings, NodeDouble(CHAIN))
    shown = run(settings, NodeDouble(DEEP))
    assert f"after block {hash_of(CHAIN[10])} at height 10, 110 blocks deep" in shown
    assert f"To allow it: --fork {FORK}" in shown
    assert not AllowedReorganisation.objects.exists()
    assert "Allowed for 2" in run(settings, NodeDouble(DEEP), "--fork", FORK)
    with serving(NodeDouble(DEEP)) as node:
        assert [follow(node, consumer) for consumer in list_consumers()] == [221, 221]
    assert not AllowedReorganisation.objects.exists()


@pytest.mark.parametrize("named", ["11:" + hash_of(CHAIN[11]), "10:" + "00" * 32, "ten:" + hash_of(CHAIN[10]), "10"])
def test_the_command_refuses_a_fork_that_the_node_does_not_show(consumers: None, settings: Settings, named: str):
    with pytest.raises(CommandError, match=r"leaves no followed chain there|must look like"):
        run(settings, NodeDouble(DEEP), "--fork", named)
    assert not AllowedReorganisation.objects.exists()


def test_a_fork_is_allowed_for_those_that_are_at_it(consumers: None, settings: Settings):
    FollowedBlock.objects.create(consumer="elsewhere", height=5, hash="ab" * 32, previous_hash="cd" * 32)
    shown = run(settings, NodeDouble(DEEP), "--fork", FORK)
    assert "elsewhere has followed" in shown
    assert "none of the last 1 blocks" in shown
    assert "Allowed for 2" in shown


def test_only_the_fork_that_was_shown_can_be_allowed(consumers: None):
    with serving(NodeDouble(DEEP)) as node, pytest.raises(ReorganisationMissingError, match="does not leave"):
        allow_reorganisation(node=node, consumer="registry", fork_height=11, fork_hash=hash_of(CHAIN[11]), now=NOW)


def test_what_is_not_too_deep_need_not_be_allowed(consumers: None):
    with serving(NodeDouble(fork(CHAIN, 20, 101))) as node:
        with pytest.raises(ReorganisationMissingError, match="100 blocks of registry are undone without"):
            allow_reorganisation(node=node, consumer="registry", fork_height=20, fork_hash=hash_of(CHAIN[20]), now=NOW)
        assert find_reorganisation(node=node, consumer="nobody") is None


def test_a_second_decision_replaces_the_first(consumers: None):
    with serving(NodeDouble(DEEP)) as node:
        for now in (NOW, LATER):
            allow_reorganisation(node=node, consumer="registry", fork_height=10, fork_hash=hash_of(CHAIN[10]), now=now)
        assert AllowedReorganisation.objects.get().allowed_at == LATER
        with pytest.raises(ReorganisationTooDeepError):
            follow(node, "payouts")
        assert find_tip("payouts") is not None


def test_a_problem_is_noted_from_its_beginning_to_its_end(caplog: pytest.LogCaptureFixture):
    note_progress(consumer="registry", now=NOW)
    note_problem(consumer="registry", error=NodeUnavailableError("gone"), now=NOW)
    note_problem(consumer="registry", error=ReorganisationTooDeepError("deep"), now=LATER)
    note_problem(consumer="registry", error=ReorganisationTooDeepError("deeper"), now=LATER)
    state = FollowerState.objects.get()
    assert (state.problem, state.detail, state.needs_operator) == ("ReorganisationTooDeepError", "deeper", True)
    assert (state.followed_at, state.failing_since) == (NOW, NOW)
    assert str(state) == "registry: ReorganisationTooDeepError"
    note_progress(consumer="registry", now=LATER)
    state.refresh_from_db()
    assert (state.problem, state.failing_since, state.followed_at, state.needs_operator) == ("", None, LATER, False)
    assert str(state) == "registry: follows the chain"
    assert [record.getMessage() for record in caplog.records] == [
        "registry cannot follow the chain: deep",
        "registry follows the chain again",
    ]
