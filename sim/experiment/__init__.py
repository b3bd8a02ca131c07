"""Many runs of a scenario: how sure a number is, and what follows from it.

Legal here: numpy, pandas, scipy, files (only in `store` and `baseline`), processes (only in `execute`, `pool`,
`cluster`), SimPy (only in `speed`, as a yardstick). Not legal: printing, and simulating anything but through
`sim.result.run`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.late import late

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
    from sim.experiment.validating import validate
    from sim.experiment.validation import Validation

__all__ = [
    "Baseline",
    "Capacity",
    "Check",
    "Comparison",
    "ExperimentError",
    "Progress",
    "Replications",
    "Sweep",
    "Validation",
    "capacity",
    "check",
    "compare",
    "record",
    "replicate",
    "sweep",
    "validate",
]

# an experiment that has finished answers sooner than all of this is loaded
__getattr__, __dir__ = late(
    __name__,
    {
        "Capacity": "sim.experiment.answer",
        "Baseline": "sim.experiment.baseline",
        "record": "sim.experiment.baseline",
        "compare": "sim.experiment.comparing",
        "Comparison": "sim.experiment.comparison",
        "ExperimentError": "sim.experiment.errors",
        "capacity": "sim.experiment.finding",
        "Progress": "sim.experiment.progress",
        "Check": "sim.experiment.regression",
        "check": "sim.experiment.regression",
        "Replications": "sim.experiment.replicated",
        "replicate": "sim.experiment.replications",
        "sweep": "sim.experiment.sweeping",
        "Sweep": "sim.experiment.swept",
        "validate": "sim.experiment.validating",
        "Validation": "sim.experiment.validation",
    },
)
