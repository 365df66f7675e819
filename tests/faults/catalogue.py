"""Every scenario of the fault tests, by its name on the command line."""

from tests.faults import anchor_scenarios, reorganisation_scenarios, scenarios, storage_scenarios

SCENARIOS = {
    **scenarios.SCENARIOS,
    **anchor_scenarios.SCENARIOS,
    **reorganisation_scenarios.SCENARIOS,
    **storage_scenarios.SCENARIOS,
}
