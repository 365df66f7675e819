"""Kills a scenario at its first point, at its second, and so on until it completes, and checks each restart.

`python -m tests.faults SCENARIO` runs in a process of its own that keeps no connection to a database and starts no
thread, so that it can fork: each child is a freshly started system.

1. A child makes the scenario's starting state. Database and node are copied for every run.
2. A child runs with the k-th point armed, and is killed there.
3. Another child, the restart, runs to the end and checks that nothing is lost and nothing happened twice.
4. When a run passes its end without reaching point k, every point has been tried.
5. There must have been as many as the scenario is known to have: hooks that no longer apply would kill nothing.
"""

import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from tests.faults.engines import Engine
from tests.faults.points import POINTS
from tests.nodes import DevnodeProcess

ROUNDS_MAX = 60
POINTS_MAX = 2_000
KILLED = 9


class Scenario:
    """A part of the system's work, from a starting state to a goal."""

    points_min: int
    """How many points there are at least: a little below their present number, which changes with the services."""

    loses_mempool = False
    """Whether the node ends as by a power cut once the starting state is made, so that nothing waits in it."""

    def prepare(self) -> None:
        """Make the starting state, in the database and on the node."""
        raise NotImplementedError

    def restore(self) -> None:
        """Bring back what the starting state has beside database and node; most scenarios have nothing there."""

    def sweep(self) -> None:
        """Run the system's own sweeps once. Points count in here."""
        raise NotImplementedError

    def turn(self) -> None:
        """Let the world go on: mine a block, for example."""
        raise NotImplementedError

    def is_done(self) -> bool:
        """Return whether the goal is reached."""
        raise NotImplementedError

    def check(self) -> None:
        """Check that nothing is lost and nothing happened twice."""
        raise NotImplementedError


def drive(make_scenario: Callable[[], Scenario], engine: Engine, node: DevnodeProcess) -> int:
    """Try every point of a scenario and return how many there are.

    Raises SystemExit where one does not hold, and where there are fewer than the scenario's `points_min`.
    """
    scenario = make_scenario()
    _start(node)
    if _fork(scenario.prepare):
        raise SystemExit("the starting state could not be made")
    if scenario.loses_mempool:
        node.kill()
    else:
        node.stop()
    engine.save()
    saved = node.directory.with_name("node-starting-state")
    shutil.copytree(node.directory, saved)
    points = _count_points(make_scenario, engine, node, saved)
    if points < scenario.points_min:
        known = scenario.points_min
        raise SystemExit(f"killed at {points} points only, where {known} are known: do the hooks still apply?")
    return points


def _count_points(make_scenario: Callable[[], Scenario], engine: Engine, node: DevnodeProcess, saved: Path) -> int:
    """Kill at every point in turn and return how many there are."""
    for point in range(1, POINTS_MAX):
        engine.restore()
        shutil.rmtree(node.directory)
        shutil.copytree(saved, node.directory)
        _start(node)
        scenario = make_scenario()
        scenario.restore()
        status = _fork(lambda: run(scenario, kill_at=point))  # noqa: B023  forked before the next turn
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == KILLED:
            if _fork(lambda: run(scenario, kill_at=0)):  # noqa: B023
                raise SystemExit(f"killed at point {point}, the restart does not hold")
            node.stop()
            continue
        node.stop()
        if status:
            raise SystemExit(f"the run that was to be killed at point {point} failed before it")
        return point - 1
    raise SystemExit("the scenario never ended")


def _start(node: DevnodeProcess) -> None:
    """Start the node on a port that is free now, for another process may have taken the last one, and name it."""
    node.port = 0
    node.start()
    settings.CADASTRE_NODE_URL = node.url


def run(scenario: Scenario, *, kill_at: int) -> None:
    """Sweep until the goal is reached, then check. Raises AssertionError if it is not reached."""
    POINTS.arm(kill_at)
    for _ in range(ROUNDS_MAX):
        POINTS.rearm()
        scenario.sweep()
        POINTS.disarm()
        if scenario.is_done():
            # Once more: what is done must not be done again.
            scenario.sweep()
            scenario.check()
            return
        scenario.turn()
    raise AssertionError("the goal was not reached")


def _fork(work: Callable[[], None]) -> int:
    """Do work in a child and return its wait status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        work()
    except BaseException:  # noqa: BLE001  the child must not go on as a copy of its parent
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)
