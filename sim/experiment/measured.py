"""A measure of a real rollout beside its values in simulated ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from sim.experiment.bands import prediction
from sim.experiment.intervals import End, Interval
from sim.experiment.metrics import Metric


class Measured(msgspec.Struct, frozen=True):
    """A measure (spec page 10), in its own unit; None where not reached, of the band where an end is beyond all that
    was reached."""

    real: float | None
    simulated_median: End
    band95: Interval
    """The prediction band: a real value is within it with 95 %, or a little more, if the model is right."""
    inside: bool | None
    """None where that cannot be said: the real rollout was seen for too short a time."""
    error: float | None
    """By how much the real value is above the simulated median, as a share of it; negative below. None where either is
    not reached, or where the median is 0 and the real value is not."""


def measure(
    metric: Metric,
    real: float | None,
    simulated: Sequence[float | None],
    seen_s: float = math.inf,
    simulated_s: float = math.inf,
) -> Measured:
    """A real value beside the simulated ones, at least 39 of them.

    A run that did not reach it counts as beyond all that did, and so does a real rollout that was seen to its end, or
    that reached it later than the runs were seen.

    Args:
        seen_s: up to when (s since its opening) the real rollout was seen, infinite if to its end. What it had not
            reached by then it may have reached later, and its counts may have grown.
        simulated_s: up to when all simulated ones were seen.
    """
    beyond = metric.kind.beyond
    values = np.array([beyond if value is None else value for value in simulated], dtype=np.float64)
    low, median, high = (float(end) for end in prediction(values))
    return Measured(
        real=real,
        simulated_median=_end(median),
        band95=(_end(low), _end(high)),
        inside=_inside(metric, real, (low, high), seen_s, simulated_s),
        error=_error(real, median),
    )


def _inside(
    metric: Metric, real: float | None, band: tuple[float, float], seen_s: float, simulated_s: float
) -> bool | None:
    (low, high), unit = band, metric.kind.unit
    if math.isinf(seen_s) and math.isinf(simulated_s):
        return low <= (metric.kind.beyond if real is None else real) <= high
    if unit == "s":
        if real is None and math.isfinite(seen_s):
            # what is due by now and not there is late, whenever it comes
            return False if high <= seen_s else None
        return low <= (math.inf if real is None or real > simulated_s else real) <= high
    if unit == "hosts/h" and real is not None and math.isfinite(high):
        return low <= real <= high  # it stays as it is, once it is reached
    return None


def _error(real: float | None, median: float) -> float | None:
    if real is None or not math.isfinite(median):
        return None
    if median == 0.0:
        return 0.0 if real == 0.0 else None
    return (real - median) / abs(median)


def _end(value: float) -> End:
    return value if math.isfinite(value) else None
