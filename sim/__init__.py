"""nixfleet-sim: simulates how a nixfleet fleet rolls out. `load` a scenario, `run` it, look at the `Result`.

result = sim.run(sim.load("scenarios/quickstart.yaml"))
result.summary, result.waves, result.transitions
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.result import Result, run
    from sim.scenario.loader import load
    from sim.scenario.schema import Scenario

__version__ = "0.1.0"
__all__ = ["Result", "Scenario", "__version__", "load", "run"]

# pandas and the rest take longer to import than most commands take to run: looked up on first use
_HOMES = {
    "Result": "sim.result",
    "run": "sim.result",
    "load": "sim.scenario.loader",
    "Scenario": "sim.scenario.schema",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
