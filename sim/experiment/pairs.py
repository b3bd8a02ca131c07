"""What pairs of runs under the same luck say of the difference between two scenarios (common random numbers).

Both runs of a pair have one seed and one replication, so what luck does to both of them cancels in their difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from sim.experiment import intervals
from sim.experiment.estimates import Estimate, Narrowing, counts, estimate, relative, settled
from sim.experiment.intervals import UNKNOWN, End, Interval
from sim.experiment.metrics import Metric

if TYPE_CHECKING:
    import pandas as pd

Values = Sequence[float | None]


class Paired(msgspec.Struct, frozen=True):
    """What n pairs say of a metric; the difference is b − a, intervals are 95 %, None where unknown (spec page 10).

    Where a run of either side did not reach the metric there is no mean, and so no mean difference, no ratio and no
    variance reduction: the sides' medians and shares are there all the same, and the median difference.
    """

    n: int
    same: bool
    """Whether both sides are alike in every single pair."""
    a: Estimate
    b: Estimate
    difference: float | None
    difference_ci95: Interval
    ratio: float | None
    """The mean of b over the mean of a, with Fieller's interval."""
    ratio_ci95: Interval
    median_difference: float | None
    median_difference_ci95: Interval
    variance_reduction: float | None
    """What pairing takes off the variance of the difference: 1 − Var(b − a) / (Var a + Var b), of which the denominator
    is what it would be for independent runs. 1 if the difference is the same in all pairs, below 0 if pairing does
    harm, None if neither side varies."""

    @property
    def independent_runs(self) -> int | None:
        """Runs, of both sides together, for an interval as narrow if they were independent: the 2n there are over
        1 − `variance_reduction`, None where no number of them would do."""
        if self.variance_reduction is None or self.variance_reduction >= 1.0:
            return None
        return 2 * math.ceil(self.n / (1.0 - self.variance_reduction) - 1e-9)

    @property
    def shown(self) -> bool:
        """Whether the interval of the difference, or of the median difference, is all on one side of zero."""
        low, high = self.difference_ci95 if self.difference is not None else self.median_difference_ci95
        return (low is not None and low > 0.0) or (high is not None and high < 0.0)


def paired(a: Values, b: Values, metric: Metric) -> Paired:
    """What the pairs of these values say of a metric."""
    sides = estimate(a, metric), estimate(b, metric)
    difference, around, ratio, ratio_around, reduction = None, UNKNOWN, None, UNKNOWN, None
    if not any(value is None for value in (*a, *b)):
        difference, around = intervals.paired_difference(a, b)
        ratio, ratio_around = intervals.paired_ratio(a, b)
        reduction = variance_reduction(a, b)
    median, median_around = _median_difference(a, b, metric.kind.beyond)
    return Paired(
        n=len(a),
        same=list(a) == list(b),
        a=sides[0],
        b=sides[1],
        difference=difference,
        difference_ci95=around,
        ratio=ratio,
        ratio_ci95=ratio_around,
        median_difference=median,
        median_difference_ci95=median_around,
        variance_reduction=reduction,
    )


def running_difference(a: Values, b: Values, metric: Metric) -> pd.DataFrame:
    """How the mean difference settles as pairs come in, or the median difference where some run did not reach the
    metric: see `Comparison.running`."""
    complete = not any(value is None for value in (*a, *b))
    at = counts(len(a))
    rows = [
        intervals.paired_difference(a[:count], b[:count])
        if complete
        else _median_difference(a[:count], b[:count], metric.kind.beyond)
        for count in at
    ]
    return settled("pairs", at, "mean" if complete else "median", rows)


def variance_reduction(a: Values, b: Values) -> float | None:
    """1 − Var(b − a) / (Var a + Var b) of complete pairs; None where neither varies or there is but one pair."""
    first, second = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    if len(first) < 2:
        return None
    independent = float(np.var(first, ddof=1) + np.var(second, ddof=1))
    if independent == 0.0:
        return None
    return 1.0 - float(np.var(second - first, ddof=1)) / independent


def _median_difference(a: Values, b: Values, beyond: float) -> tuple[End, Interval]:
    """The median of b − a and its interval of order statistics. Of a pair of which one side is beyond all others only
    the sign is known, of one with both beyond nothing: the low end takes the least it can be, the high end the most."""
    least, most = [], []
    for one, other in zip(a, b, strict=True):
        if one is not None and other is not None:
            low = high = other - one
        elif one is None and other is None:
            low, high = -math.inf, math.inf
        else:
            up = (other is None) == (beyond > 0)
            low, high = (0.0, math.inf) if up else (-math.inf, 0.0)
        least.append(low)
        most.append(high)
    (lowest, (low_end, _)), (highest, (_, high_end)) = (intervals.quantile(found, 0.5) for found in (least, most))
    return lowest if lowest == highest else None, (low_end, high_end)


class Difference(Narrowing):
    """A metric's difference as pairs come in: fed b − a, None where either did not reach it; its two sides apart.

    `width` is half the difference's interval relative to the larger of the two means: the ratio is then known to about
    as much, and it is a sound aim where nothing differs, too, while no number of runs could tell a difference of
    nothing to within a share of itself. Where runs did not reach the metric it is the wider of the two sides'.
    """

    def __init__(self, metric: Metric):
        super().__init__(metric)
        self.sides = Narrowing(metric), Narrowing(metric)

    def add_sides(self, a: float | None, b: float | None) -> float | None:
        """Note both values of a pair; their difference."""
        for side, value in zip(self.sides, (a, b), strict=True):
            side.add(value)
        return None if a is None or b is None else b - a

    @property
    def uncertainty(self) -> tuple[Literal["mean", "median", "share"], float]:
        """What `width` is about, and how wide it is."""
        half = self.half_width
        if half is not None or len(self.values) < 2:
            return "mean", relative(half, max(abs(side.mean) for side in self.sides))
        return max((side.uncertainty for side in self.sides), key=lambda found: found[1])
