"""What n runs of a model say of one run more: a band for each of its numbers, and a test of a whole curve.

If a real rollout comes about as the model says, it and the n simulated ones are exchangeable: any order of them is as
likely as any other. Both follow from that alone, whatever the distribution.

- **The prediction band** of a number goes from the l-th smallest of the n values to the l-th largest. A further run is
  within it with probability 1 − 2 l / (n + 1), or more where values are alike. From n = 39 runs on (l = 1, the whole
  range) that can be 95 %; it is exactly 95 % for 39, 79, 119 … 199 … runs, and a little more between these.
- **The envelope test** is about all places of a curve together; of those one or the other is outside its 95 % more
  often than one time in twenty (M. Myllymäki, T. Mrkvička, P. Grabarnik, H. Seijo, U. Hahn, "Global envelope tests for
  spatial processes", J. R. Stat. Soc. B 79, 2017). Curves are ordered by how extreme they are. p is the share of the
  curves, the real one among them, that are at least as extreme as the real one; the envelope is what the 95 % of them
  that are least extreme cover. Extreme is here what is so at many places and by much: the area rank of T. Mrkvička, M.
  Myllymäki, M. Kuronen, N. N. Narisetty, "New methods for multiple testing in permutation inference for the general
  linear model" (Stat. Med. 41, 2022). Of a hundred runs each is the first or the last somewhere, and ranks alone, as in
  the extreme rank length, do not tell how far beyond the others a real curve is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.experiment.errors import ExperimentError
from sim.experiment.intervals import CONFIDENCE

Floats = NDArray[np.float64]


class Band(NamedTuple):
    """Of each place the ends of the prediction band and the median; infinite where runs did not get there."""

    low: Floats
    median: Floats
    high: Floats

    def holds(self, real: Floats) -> NDArray[np.bool_]:
        """Of each place whether a real value is within the band."""
        return (self.low <= real) & (real <= self.high)


class Envelope(NamedTuple):
    """The test of a real curve: its p value, and between what the least extreme of the curves are."""

    p: float
    low: Floats
    high: Floats


def rank(runs: int, confidence: float = CONFIDENCE) -> int:
    """The l of the band of so many runs, 0 if there are too few for one."""
    return math.floor((runs + 1) * (1 - confidence) / 2 + 1e-9)


def least(confidence: float = CONFIDENCE) -> int:
    """How many runs a band takes."""
    return math.ceil(2 / (1 - confidence) - 1e-9) - 1


def check(runs: int, confidence: float = CONFIDENCE) -> None:
    """Whether so many runs are enough for a band.

    Raises:
        ExperimentError: they are not.
    """
    if not rank(runs, confidence):
        raise ExperimentError(
            f"expected at least {least(confidence)} runs, got {runs}: the range of fewer holds a further run with less "
            f"than {100 * confidence:g} %"
        )


def prediction(simulated: Floats, confidence: float = CONFIDENCE) -> Band:
    """The band of a further run, from runs along the first axis. The median is the ⌈n / 2⌉-th smallest.

    Args:
        simulated: infinite, not NaN, where a run did not get there.

    Raises:
        ExperimentError: there are too few runs.
    """
    runs = len(simulated)
    check(runs, confidence)
    place = rank(runs, confidence)
    ordered = np.sort(simulated, axis=0)
    return Band(ordered[place - 1], ordered[-(-runs // 2) - 1], ordered[runs - place])


def envelope(real: Floats, simulated: Floats, confidence: float = CONFIDENCE) -> Envelope:
    """The envelope test of a real curve against simulated ones, a line each.

    Args:
        real: its value at each place, infinite where it did not get there.
        simulated: those of each run. Several curves of a run are tested together when their places are put in a row.
    """
    curves = np.vstack([real, simulated])
    p = p_values(ranks(curves))
    usual = curves[p > 1 - confidence + 1e-9]
    return Envelope(float(p[0]), usual.min(axis=0), usual.max(axis=0))


def p_values(ranks: Floats) -> Floats:
    """The p of each curve, from its ranks at the places that are tested together."""
    # the area rank: the lowest rank r, less how far ranks are below r, on average over all places
    lowest = np.ceil(ranks.min(axis=1))
    below = np.maximum(lowest[:, np.newaxis] - ranks, 0.0).mean(axis=1)
    # rounded, so that curves that are equally extreme are equal: each then counts the others, and p is never too small
    extremity = np.round(lowest - below, 12)
    found: Floats = np.searchsorted(np.sort(extremity), extremity, side="right") / len(ranks)
    return found


def ranks(curves: Floats) -> Floats:
    """Of each curve and place how extreme it is there, a low number for the outermost on either side: a rank that is
    continuous, the nearer to j − 1 the further the j-th is from the next inside. Those that are alike share theirs."""
    from scipy.stats import rankdata  # takes longer to import than all else here

    count = len(curves)
    known = curves[np.isfinite(curves)]
    # later than all, and by as much
    values = np.where(np.isfinite(curves), curves, 2.0 * known.max() if len(known) else 0.0)
    order = np.argsort(values, axis=0, kind="stable")
    ordered = np.take_along_axis(values, order, axis=0)
    gaps = np.diff(ordered, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.exp(-gaps[0] / (ordered[-1] - ordered[1]))
        last = count - np.exp(-gaps[-1] / (ordered[-2] - ordered[0]))
        between = np.arange(1, count - 1)[:, np.newaxis] + gaps[:-1] / (gaps[:-1] + gaps[1:])
    found = np.empty_like(values)
    np.put_along_axis(found, order, np.vstack([first, between, last]), axis=0)
    shared = rankdata(values, axis=0)
    alike = (rankdata(values, method="min", axis=0) != shared) | np.isnan(found)
    found = np.where(alike, shared - 0.5, found)
    nearer: Floats = np.minimum(found, count - found)
    return nearer
