"""nixfleet-sim: simulates how a nixfleet fleet rolls out. `load` a scenario, `run` it, look at the `Result`.

result = sim.run(sim.load("scenarios/quickstart.yaml"))
result.summary, result.waves, result.transitions
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.late import late

if TYPE_CHECKING:
    from sim.result import Result, run
    from sim.scenario.loader import load
    from sim.scenario.schema import Scenario

__version__ = "0.1.0"
__all__ = ["Result", "Scenario", "__version__", "load", "run"]

__getattr__, __dir__ = late(
    __name__,
    {
        "Result": "sim.result",
        "run": "sim.result",
        "load": "sim.scenario.loader",
        "Scenario": "sim.scenario.schema",
    },
)
