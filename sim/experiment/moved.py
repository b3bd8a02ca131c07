"""Whether a metric has moved: by more than a tolerance, and by more than chance explains.

- The same seed, so the same luck in each replication: a paired t test, which a systematic shift shows at once. The
  program or the scenario may have changed since.
- Another seed: Welch's t test, as nothing pairs the runs and their spreads may differ.
- Runs of either side that did not reach the metric: Fisher's exact test of how many did, and the Mann-Whitney test,
  which needs the order of the values alone; the smaller chance of the two, doubled. There, as everywhere, what was not
  reached is beyond all that was. The size is that of the median, or of the share that reached it, whichever moved more.

There are many metrics, so Holm's step-down correction is made over all of them: the chance that any at all seems to
have moved where nothing has is at most `ALPHA`. It holds however the metrics hang together, and those of one rollout
do; controlling the rate of false discoveries instead would let a build fail too often.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from sim.experiment import intervals
from sim.experiment.metrics import Kind

ALPHA = 0.01
"""The chance that a check finds anything where nothing has changed but the luck."""

Way = Literal["worse", "better", "other"]
How = Literal["trajectory", "statistics"]


class Change(msgspec.Struct, frozen=True):
    """A metric then and now: means, or medians where not all runs reached it (None beyond that); which shares reached
    it; the difference relative to what it was, None where that was nothing or is beyond; how likely as much is by
    chance."""

    was: float | None
    is_now: float | None
    reached: tuple[float, float]
    relative: float | None
    p: float

    def exceeds(self, tolerance: float) -> bool:
        """Whether it, or the share that reached it, moved by more than the tolerance."""
        if abs(self.reached[1] - self.reached[0]) > tolerance:
            return True
        if self.relative is None:
            return self.was != self.is_now
        return abs(self.relative) > tolerance

    def way(self, kind: Kind) -> Way:
        """Which way it moved."""
        if kind.better is None:
            return "other"
        beyond = kind.beyond
        was = beyond if self.was is None else self.was
        is_now = beyond if self.is_now is None else self.is_now
        # two medians beyond all, or the same: the share tells
        more = is_now > was if is_now != was else (self.reached[1] < self.reached[0]) == (beyond > 0)
        return "better" if more == (kind.better == "more") else "worse"


def change(was: Sequence[float | None], is_now: Sequence[float | None], kind: Kind, *, paired: bool) -> Change:
    """A metric's values then and now, by replication; `paired` where they had the same luck."""
    then: float | None
    now: float | None
    shares = (_reached(was), _reached(is_now))
    if shares == (1.0, 1.0):
        then, now = intervals.mean(was)[0], intervals.mean(is_now)[0]
    else:
        then, now = (intervals.quantile(values, 0.5, beyond=kind.beyond)[0] for values in (was, is_now))
    return Change(then, now, shares, _relative(then, now), _chance(was, is_now, kind, paired=paired))


def holm(chances: Sequence[float]) -> list[float]:
    """The chances of several tests, corrected for their number (Holm, Scand. J. Stat. 6, 1979)."""
    found = [1.0] * len(chances)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        found[place] = least
    return found


def _reached(values: Sequence[float | None]) -> float:
    return sum(value is not None for value in values) / len(values)


def _relative(was: float | None, is_now: float | None) -> float | None:
    if was == is_now:
        return 0.0
    if was is None or is_now is None or was == 0.0:
        return None
    return (is_now - was) / abs(was)


def _chance(was: Sequence[float | None], is_now: Sequence[float | None], kind: Kind, *, paired: bool) -> float:
    """The two-sided chance of a difference like this where there is none."""
    if list(was) == list(is_now):
        return 1.0
    from scipy import stats

    if None in was or None in is_now:
        then, now = ([kind.beyond if one is None else one for one in values] for values in (was, is_now))
        counts = np.array(
            [[values.count(None), len(values) - values.count(None)] for values in (list(was), list(is_now))]
        )
        got_there = float(stats.fisher_exact(counts).pvalue)
        ordered = float(stats.mannwhitneyu(then, now).pvalue) if len({*then, *now}) > 1 else 1.0
        return min(1.0, 2 * got_there, 2 * ordered)
    first, second = ([float(one or 0.0) for one in values] for values in (was, is_now))
    if paired:
        steps = {round(b - a, 9) for a, b in zip(first, second, strict=True)}
        if len(steps) == 1:
            return 1.0 if steps == {0.0} else 0.0
    elif len(set(first)) == len(set(second)) == 1:
        return 1.0 if first[0] == second[0] else 0.0
    with warnings.catch_warnings():
        # of values that hardly differ it says that it may be inexact; it is enough for a yes or no
        warnings.simplefilter("ignore", RuntimeWarning)
        tested = stats.ttest_rel(first, second) if paired else stats.ttest_ind(first, second, equal_var=False)
    return float(tested.pvalue)
