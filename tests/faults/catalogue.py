"""Every scenario by its name, as `python -m tests.faults` takes it."""

from tests.faults import anchor_scenarios, scenarios

SCENARIOS = {**scenarios.SCENARIOS, **anchor_scenarios.SCENARIOS}
