"""The page of an experiment: the answer in a sentence, how many runs and why that was enough, figures, tables.

What is told of each kind of experiment is put together as plain data, `Told`, in a module of its own; how that looks is
in `experiment.html`. The same experiment gives the same bytes.
"""

from __future__ import annotations

from sim.experiment import Capacity, Check, Comparison, Replications, Sweep
from sim.report.template import rendered
from sim.report.told import Told
from sim.report.told_capacity import of_capacity
from sim.report.told_check import of_check
from sim.report.told_comparison import of_comparison
from sim.report.told_replications import of_replications
from sim.report.told_sweep import of_sweep

Experiment = Replications | Comparison | Sweep | Capacity | Check


def experiment_report(found: Experiment) -> str:
    """What `sim.experiment.replicate`, `compare`, `sweep`, `capacity` or `check` has found, as one HTML page."""
    return rendered("experiment.html", told=told(found))


def told(found: Experiment) -> Told:
    """What the page tells."""
    match found:
        case Replications():
            return of_replications(found)
        case Comparison():
            return of_comparison(found)
        case Sweep():
            return of_sweep(found)
        case Capacity():
            return of_capacity(found)
        case Check():
            return of_check(found)
