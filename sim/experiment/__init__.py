"""Many runs of a scenario: how sure a number is, and what follows from it.

Legal here: numpy, pandas, scipy, files (only in `store` and `baseline`), processes (only in `execute`, `pool`,
`cluster`), SimPy (only in `speed`, as a yardstick). Not legal: printing, and simulating anything but through
`sim.result.run`.
"""

from sim.experiment.baseline import Baseline, record
from sim.experiment.errors import ExperimentError
from sim.experiment.progress import Progress
from sim.experiment.regression import Check, check
from sim.experiment.replications import Replications, replicate

__all__ = ["Baseline", "Check", "ExperimentError", "Progress", "Replications", "check", "record", "replicate"]
