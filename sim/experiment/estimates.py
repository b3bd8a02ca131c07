"""What the runs of one point say of a metric, and when they say it sharply enough.

The rule for enough runs is the one of Hoad, Robinson and Davies, "Automated selection of the number of replications for
a discrete-event simulation" (J. Oper. Res. Soc. 61, 2010): run one by one until the t interval of every mean is within
the precision of it, and has stayed so over some more runs. Without the further runs the rule would stop on lucky
streaks and cover too little. The `sim-tools` package has the rule, too, but drives the model itself, one run after the
other, and knows no censored values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from sim.experiment import intervals
from sim.experiment.intervals import End, Interval
from sim.experiment.metrics import Metric
from sim.experiment.points import Values

if TYPE_CHECKING:
    import pandas as pd

LEAST = 20
"""Runs before the first look at the intervals: from fewer a standard deviation is little known."""
AHEAD = 5
"""Further runs over which the intervals must stay narrow, up to 100 runs; beyond it this many per cent of the runs."""
LOOKS = 400
"""Of more runs than these the running estimate is told at so many places."""


class Estimate(msgspec.Struct, frozen=True):
    """What n runs say of a metric; intervals are 95 %, None where unknown (spec page 10)."""

    n: int
    reached: int
    reached_share: float
    reached_ci95: tuple[float, float]
    mean: float | None
    mean_ci95: Interval | None
    median: End
    median_ci95: Interval
    p90: End
    p90_ci95: Interval
    p99: End
    p99_ci95: Interval


def estimate(values: Sequence[float | None], metric: Metric) -> Estimate:
    """What these runs say of a metric. Where some did not reach it there is no mean."""
    reached = sum(value is not None for value in values)
    found, around = intervals.share(reached, len(values))
    mean, mean_ci95 = intervals.mean(values) if reached == len(values) else (None, None)
    quantiles = [intervals.quantile(values, q, beyond=metric.kind.beyond) for q in (0.5, 0.9, 0.99)]
    (median, median_ci95), (p90, p90_ci95), (p99, p99_ci95) = quantiles
    return Estimate(
        n=len(values),
        reached=reached,
        reached_share=found,
        reached_ci95=around,
        mean=mean,
        mean_ci95=mean_ci95,
        median=median,
        median_ci95=median_ci95,
        p90=p90,
        p90_ci95=p90_ci95,
        p99=p99,
        p99_ci95=p99_ci95,
    )


def running(values: Sequence[float | None], metric: Metric) -> pd.DataFrame:
    """How the mean settles as runs come in, or the median where some did not reach the metric: see
    `Replications.running`."""
    complete = not any(value is None for value in values)
    rows = [
        intervals.mean(values[:count])
        if complete
        else intervals.quantile(values[:count], 0.5, beyond=metric.kind.beyond)
        for count in counts(len(values))
    ]
    return settled("runs", counts(len(values)), "mean" if complete else "median", rows)


def counts(runs: int) -> list[int]:
    """The numbers of runs at which to look: all, or `LOOKS` of them."""
    return sorted(
        {round(1 + place * (runs - 1) / (LOOKS - 1)) for place in range(LOOKS)} if runs > LOOKS else range(1, runs + 1)
    )


def settled(what: str, at: Sequence[int], statistic: str, rows: Sequence[tuple[End, Interval]]) -> pd.DataFrame:
    """Estimates with their intervals as a table, a row per number of what there were."""
    import pandas as pd

    centres = {statistic: [centre for centre, _ in rows]}
    ends = {name: [around[place] for _, around in rows] for place, name in enumerate(("low", "high"))}
    return pd.DataFrame(
        {what: list(at), **{name: np.array(of, dtype=np.float64) for name, of in (centres | ends).items()}}
    )


class Narrowing:
    """A metric's interval as runs come in.

    `width` is half the interval relative to what it is about: the mean; or, where runs did not reach the metric, the
    median; or, where too few reached it for that, the share of runs that did, and then it is in that share's own terms.
    """

    def __init__(self, metric: Metric):
        self.metric = metric
        self.values: list[float | None] = []
        self.mean = 0.0
        self._squares = 0.0
        self._censored = 0

    def add(self, value: float | None) -> None:
        """One more run. The sums are Welford's, so that many runs take no longer than few."""
        self.values.append(value)
        if value is None:
            self._censored += 1
        elif not self._censored:
            step = value - self.mean
            self.mean += step / len(self.values)
            self._squares += step * (value - self.mean)

    @property
    def half_width(self) -> float | None:
        """Half the t interval of the mean; None for fewer than two runs, or if one did not reach the metric."""
        count = len(self.values)
        if self._censored or count < 2:
            return None
        return intervals.quantile_of_t(count - 1) * math.sqrt(self._squares / (count - 1) / count)

    @property
    def width(self) -> float:
        """The relative half-width now; infinite where nothing is known."""
        return self.uncertainty[1]

    @property
    def uncertainty(self) -> tuple[Literal["mean", "median", "share"], float]:
        """What `width` is about, and how wide it is."""
        count = len(self.values)
        if not self._censored:
            return "mean", relative(self.half_width, self.mean)
        median, around = intervals.quantile(self.values, 0.5, beyond=self.metric.kind.beyond)
        half = intervals.half_width(around)
        if median is not None and half is not None:
            return "median", relative(half, median)
        low, high = intervals.share(count - self._censored, count)[1]
        return "share", (high - low) / 2


class Enough:
    """Whether there have been enough runs: fed the values of one after the other."""

    def __init__(
        self,
        metrics: Sequence[Metric],
        judged: Sequence[int],
        precision: float | None,
        narrowing: Sequence[Narrowing] | None = None,
    ):
        """`judged`: the places of the metrics that are to be narrow; `precision`: relative half-width, None for never
        enough; `narrowing`: what narrows, of each metric, if it is not the metric itself."""
        self.narrowing = [Narrowing(metric) for metric in metrics] if narrowing is None else list(narrowing)
        self.judged = list(judged)
        self.precision = precision
        self.runs = 0
        self.streak = 0

    def add(self, values: Values) -> bool:
        """One more run; whether it is enough."""
        self.runs += 1
        for one, value in zip(self.narrowing, values, strict=True):
            one.add(value)
        if self.precision is None or self.runs < LEAST:
            return False
        self.streak = self.streak + 1 if self.widest().width <= self.precision else 0
        return self.streak > _look_ahead(self.runs)

    def widest(self) -> Narrowing:
        """The judged metric that is least known."""
        return max((self.narrowing[place] for place in self.judged), key=lambda one: one.width)

    def expected(self) -> int | None:
        """How many runs it will take, by how wide the widest interval is now; None where that cannot be said."""
        if self.precision is None or self.runs < 2:
            return None
        first = self.runs - self.streak + 1
        if not self.streak:
            width = self.widest().width
            if not math.isfinite(width):
                return None
            first = max(math.ceil(self.runs * (width / self.precision) ** 2), LEAST, first)
        return first + _look_ahead(first)


def _look_ahead(runs: int) -> int:
    return AHEAD * max(runs, 100) // 100


def relative(half: float | None, centre: float) -> float:
    """Half an interval relative to what it is about; infinite where either is unknown or nothing to be relative to."""
    if half is None:
        return math.inf
    if half == 0.0:
        return 0.0
    return half / abs(centre) if centre else math.inf
