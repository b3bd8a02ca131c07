"""Intervals for what independent runs estimate, 95 % unless told otherwise.

- Means: Student's t. Runs are independent, so their mean is close to normal soon.
- Quantiles: order statistics, exact for any distribution (their ranks are binomial), and the only ones that need no
  value for a run that did not get there: it counts as infinite. A bootstrap would miss the tail at few runs.
- Shares: Wilson's score interval, which keeps its coverage where a share is near 0 or 1.
- Ratios of paired means: Fieller's, which takes the pairing and the noise of the denominator into account, gives 1 and
  nothing else for equal pairs, and says so where the denominator may be zero. The delta method covers less at few runs,
  and a bootstrap would need random numbers.

An end of an interval is None where it is unknown: it is censored, or there are too few runs for it. The distribution
functions are `scipy.special`'s; the same intervals are in `scipy.stats`, which takes longer to import than a finished
experiment may take to answer. The tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sim.experiment.errors import ExperimentError

CONFIDENCE = 0.95

End = float | None
Interval = tuple[End, End]
Values = Sequence[float | None]

UNKNOWN: Interval = (None, None)


def half_width(around: Interval | None) -> End:
    """Half the width of an interval, None where an end is unknown."""
    if around is None or around[0] is None or around[1] is None:
        return None
    return (around[1] - around[0]) / 2


def quantile_of_t(degrees: int, confidence: float = CONFIDENCE) -> float:
    """What Student's t is within, with this confidence."""
    return float(special.stdtrit(degrees, 0.5 + confidence / 2))


def mean(values: Values, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """The mean and its t interval, unknown for a single value.

    Raises:
        ExperimentError: a value is censored, or there is none.
    """
    array = _complete(values)
    centre = float(np.mean(array))
    if len(array) < 2:
        return centre, UNKNOWN
    half = quantile_of_t(len(array) - 1, confidence) * float(np.std(array, ddof=1)) / math.sqrt(len(array))
    return centre, (centre - half, centre + half)


def quantile(
    values: Values, share: float, *, beyond: float = math.inf, confidence: float = CONFIDENCE
) -> tuple[End, Interval]:
    """The ⌈share · n⌉-th smallest of n values and its interval of order statistics; at least as wide as `confidence`.

    Args:
        values: censored ones are None.
        share: 0.5 for the median; above 0 and below 1.
        beyond: what a censored value counts as, infinite or minus infinite.
    """
    ordered = np.sort(np.array([beyond if value is None else value for value in values], dtype=np.float64))
    count = len(ordered)
    if not count:
        return None, UNKNOWN
    # how likely at most k of n values are below the quantile
    at_most = special.bdtr(np.arange(count + 1), count, share)
    tail = (1 - confidence) / 2
    low = int(np.searchsorted(at_most, tail, side="right")) - 1  # at most `low` below it: unlikely
    high = int(np.searchsorted(at_most, 1 - tail, side="left"))  # more than `high` below it: unlikely
    place = max(math.ceil(share * count - 1e-9), 1) - 1
    return _end(ordered, place), (_end(ordered, low), _end(ordered, high))


def share(hits: int, runs: int, confidence: float = CONFIDENCE) -> tuple[float, tuple[float, float]]:
    """A share of runs and its Wilson interval. No runs: an `ExperimentError`."""
    if not runs:
        raise ExperimentError("a share of no runs")
    z = float(special.ndtri(0.5 + confidence / 2))
    found = hits / runs
    centre = (found + z * z / (2 * runs)) / (1 + z * z / runs)
    half = z / (1 + z * z / runs) * math.sqrt(found * (1 - found) / runs + z * z / (4 * runs * runs))
    low = 0.0 if hits == 0 else centre - half
    high = 1.0 if hits == runs else centre + half
    return found, (low, high)


def paired_difference(a: Values, b: Values, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """The mean of b − a over pairs and its t interval.

    Raises:
        ExperimentError: a value is censored, or there is none.
    """
    first, second = _pairs(a, b)
    return mean([float(one) for one in second - first], confidence)


def paired_ratio(a: Values, b: Values, confidence: float = CONFIDENCE) -> tuple[End, Interval]:
    """The mean of b over the mean of a, and Fieller's interval; unknown where the mean of a may be zero.

    Raises:
        ExperimentError: a value is censored, or there is none.
    """
    first, second = _pairs(a, b)
    below, above = float(np.mean(first)), float(np.mean(second))
    if below == 0.0:
        return None, UNKNOWN
    ratio = above / below
    count = len(first)
    if count < 2:
        return ratio, UNKNOWN
    # the ratios r for which the mean of b - r a is not significantly other than zero: a quadratic in r
    factor = quantile_of_t(count - 1, confidence) ** 2 / count
    squares = np.cov(first, second) * factor
    leading = below * below - squares[0, 0]
    if leading <= 0.0:
        return ratio, UNKNOWN
    middle = below * above - squares[0, 1]
    root = math.sqrt(max(middle * middle - leading * (above * above - squares[1, 1]), 0.0))
    return ratio, (float((middle - root) / leading), float((middle + root) / leading))


def _end(ordered: NDArray[np.float64], place: int) -> End:
    if not 0 <= place < len(ordered) or not math.isfinite(ordered[place]):
        return None
    return float(ordered[place])


def _pairs(a: Values, b: Values) -> tuple[NDArray[Any], NDArray[Any]]:
    if len(a) != len(b):
        raise ExperimentError(f"pairs have two values each, got {len(a)} and {len(b)}")
    return _complete(a), _complete(b)


def _complete(values: Values) -> NDArray[np.float64]:
    if not len(values):
        raise ExperimentError("there are no runs to take a mean of")
    censored = sum(value is None for value in values)
    if censored:
        raise ExperimentError(
            f"no mean: {censored:,} of {len(values):,} runs ended before it was reached; see the median and the share"
        )
    return np.array(values, dtype=np.float64)
