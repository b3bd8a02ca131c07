"""Many runs of a scenario: how sure a number is, and what follows from it.

Legal here: numpy, pandas, scipy, files (only in `store` and `baseline`), processes (only in `execute`, `pool`,
`cluster`), SimPy (only in `speed`, as a yardstick). Not legal: printing, and simulating anything but through
`sim.result.run`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.experiment.answer import Capacity
    from sim.experiment.baseline import Baseline, record
    from sim.experiment.comparing import compare
    from sim.experiment.comparison import Comparison
    from sim.experiment.errors import ExperimentError
    from sim.experiment.finding import capacity
    from sim.experiment.progress import Progress
    from sim.experiment.regression import Check, check
    from sim.experiment.replicated import Replications
    from sim.experiment.replications import replicate
    from sim.experiment.sweeping import sweep
    from sim.experiment.swept import Sweep

__all__ = [
    "Baseline",
    "Capacity",
    "Check",
    "Comparison",
    "ExperimentError",
    "Progress",
    "Replications",
    "Sweep",
    "capacity",
    "check",
    "compare",
    "record",
    "replicate",
    "sweep",
]

_HOMES = {
    "Capacity": "answer",
    "Baseline": "baseline",
    "record": "baseline",
    "compare": "comparing",
    "Comparison": "comparison",
    "ExperimentError": "errors",
    "capacity": "finding",
    "Progress": "progress",
    "Check": "regression",
    "check": "regression",
    "Replications": "replicated",
    "replicate": "replications",
    "sweep": "sweeping",
    "Sweep": "swept",
}


def __getattr__(name: str) -> Any:
    """Looked up on first use: an experiment that has finished answers sooner than all of this is loaded."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"sim.experiment.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
