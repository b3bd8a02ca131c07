"""What a comparison of two scenarios has found, as data and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from sim.experiment.differences import Differences, called, told
from sim.experiment.intervals import half_width
from sim.experiment.metrics import Metric
from sim.experiment.pairs import Paired, running_difference
from sim.experiment.points import Columns, frame
from sim.experiment.sentences import changed, phrase
from sim.experiment.sizing import Stopped
from sim.experiment.wording import Scale, columns, percent
from sim.result.words import counted, some
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd

SENTENCES = 8
"""Changes told in a sentence each; the table has them all."""


@dataclass(frozen=True)
class Comparison:
    """What pairs of runs say of the difference between two scenarios; `print` it."""

    a: Scenario
    b: Scenario
    settings: Differences
    """The settings in which they differ, by path: both values as a file has them."""
    asked: list[Metric]
    metrics: dict[str, Paired]
    """By path. Times in seconds, shares from 0 to 1; differences are b − a."""
    columns: Columns
    """The columns of `table`."""
    pairs: int
    stopped: Stopped
    """Why there are no more: the precision was reached, that many were asked for, there were as many as may be, or
    somebody interrupted."""
    precision: float | None
    """Half the interval of each difference asked for, as a share of the larger of the two means."""
    widest: tuple[str, Literal["mean", "median", "share"], float]
    """The metric whose difference is least known, what of it, and half the width of its interval, relative to it."""
    first: Metric
    """The metric that the answer begins with."""
    notes: list[str]
    """What was done otherwise than asked."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """Two rows per pair, `side` a and b, a column per metric; NaN where the run ended without reaching it."""
        return frame(self.columns)

    @property
    def interrupted(self) -> bool:
        """Whether somebody interrupted it."""
        return self.stopped == "interrupted"

    @property
    def summary(self) -> dict[str, Any]:
        """The plain data of spec page 10 that `compare --json` prints."""
        return {
            "scenario": {"a": self.a.name, "b": self.b.name},
            "seed": self.a.seed,
            "pairs": self.pairs,
            "stopped": self.stopped,
            "precision": self.precision,
            "settings": {path: {"a": a, "b": b} for path, (a, b) in self.settings.items()},
            "metrics": {metric.path: _plain(metric, self.metrics[metric.path]) for metric in self.asked},
            "says": self.sentences,
            "notes": self.notes,
        }

    @property
    def sentences(self) -> list[str]:
        """The answer: what changes, and what does not."""
        if not self.settings:
            alike = all(one.same for one in self.metrics.values())
            zero = "every difference is exactly zero" if alike else "yet the runs do: please report that"
            return [f"the two sides do not differ in any setting: {zero}"]
        by_path = [(metric, self.metrics[metric.path]) for metric in [self.first, *self.asked]]
        if all(one.same for _, one in by_path):
            pairs = "the one pair" if self.pairs == 1 else f"all {self.pairs:,} pairs"
            return [f"{self._subject} changes nothing: every metric is the same on both sides in {pairs}"]
        told = [changed(self.first, self.metrics[self.first.path], self._subject)]
        others = [(metric, one) for metric, one in by_path if metric is not self.first]
        known = [(metric, one) for metric, one in others if one.shown or (one.difference is None and not one.same)]
        told += [changed(metric, one, "it") for metric, one in known[:SENTENCES]]
        if len(known) > SENTENCES:
            told.append(f"and changes {counted(len(known) - SENTENCES, 'more metric')}, see the table")
        unclear = [phrase(metric).name for metric, one in others if not one.same and (metric, one) not in known]
        same = [phrase(metric).name for metric, one in others if one.same]
        if unclear:
            told.append(f"no difference that {counted(self.pairs, 'pair')} can show: {some(unclear, SENTENCES)}")
        if same:
            told.append(f"the same in every pair: {some(same, SENTENCES)}")
        return told

    @property
    def _subject(self) -> str:
        return called(self.settings, self.b.name if self.b.name != self.a.name else "the second side")

    def describe(self) -> str:
        """In words: what changes, how many pairs and why that was enough, and a table of all metrics."""
        first, *more = self.sentences
        sides = [f"{side}: {told(self.settings, place)}" for place, side in enumerate("ab")]
        return "\n".join(
            [
                f"{self.name}: {first}",
                *more,
                *(sides if self.settings else []),
                self.enough,
                *([self.saved] if self.saved else []),
                *self.notes,
                "",
                *(f"  {line}" for line in columns(self.rows, left=2)),
                "",
                *self.footnotes,
            ]
        )

    def __str__(self) -> str:
        return self.describe()

    def differences(self, path: str) -> list[float | None]:
        """A metric's b − a in each pair, None where a run of either side did not reach it.

        Raises:
            KeyError: it was not measured.
        """
        return [None if math.isnan(value) else float(value) for value in self._side("b", path) - self._side("a", path)]

    def running(self, path: str) -> pd.DataFrame:
        """How a difference settled: a row per number of `pairs` (400 of them if there are more), its `mean`, or
        `median` where some run did not reach the metric, and `low` and `high`, the ends of the interval; NaN where
        unknown.

        Raises:
            KeyError: it was not measured.
        """
        metric = {one.path: one for one in self.asked}[path]
        a, b = (
            [None if math.isnan(value) else float(value) for value in self._side(side, path)] for side in ("a", "b")
        )
        return running_difference(a, b, metric)

    def _side(self, side: str, path: str) -> NDArray[np.float64]:
        return self.table[path].to_numpy(dtype=np.float64)[(self.table["side"] == side).to_numpy()]

    @property
    def enough(self) -> str:
        """How many pairs there are, and why not more."""
        return f"{counted(self.pairs, 'pair')}, seed {self.a.seed}: {self._why()}"

    @property
    def footnotes(self) -> list[str]:
        """What to know to read the table."""
        censored = [
            f"No mean, and so no difference of means, of {some(paths)}: {what}. See the medians and the shares."
            for what, paths in self._censored().items()
        ]
        return [*censored, "Each interval is 95 % by itself: Student's t for differences, Fieller's for ratios."]

    @property
    def name(self) -> str:
        """The scenario's name, or both if there are two."""
        return self.a.name if self.a.name == self.b.name else f"{self.a.name} and {self.b.name}"

    def _why(self) -> str:
        path, what, width = self.widest
        of = {"mean": f"the difference of {path}", "median": f"the median of {path}"}
        known = f"the least known is {of.get(what, f'how many runs reach {path}')}, to ± {percent(width)}"
        if what == "mean":
            known += " of the mean"
        if self.pairs == 1:
            known = "a single pair, which says nothing of how much pairs differ"
        aim = "" if self.precision is None else f" for ± {percent(self.precision)}"
        return {
            "precise": f"enough{aim}; {known}",
            "asked": f"as asked for; {known}",
            "most": f"not enough{aim}; {known}",
            "interrupted": f"interrupted; {known}",
        }[self.stopped]

    @property
    def saved(self) -> str:
        """What pairing was good for; empty where that cannot be said."""
        found = self.metrics[self.first.path]
        runs = found.independent_runs
        if runs is None or not self.settings:
            return ""
        here = 2 * found.n
        so_sure = f"to know {phrase(self.first).name} as well, {runs:,} independent runs would do in place of {here:,}"
        return (
            f"Pairing saved {counted(runs - here, 'run')}: {so_sure}"
            if runs > here
            else f"Pairing saved none: {so_sure}"
        )

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table of all metrics as text, its heads first."""
        rows: list[tuple[str, ...]] = [
            ("metric", "unit", "a", "b", "b - a", "95 % interval", "b / a", "95 % interval", "runs saved", "note")
        ]
        for metric in self.asked:
            one = self.metrics[metric.path]
            sides = [
                (side.median, side.median_ci95) if one.difference is None else (side.mean, side.mean_ci95)
                for side in (one.a, one.b)
            ]
            middle, around = one.difference, one.difference_ci95
            if middle is None:
                middle, around = one.median_difference, one.median_difference_ci95
            scale = Scale.of(metric.kind.unit, [centre for centre, _ in sides])
            digits = half_width(around)
            ratios, saved = Scale("", 1.0), one.independent_runs
            rows.append(
                (
                    metric.path,
                    scale.unit,
                    *(scale.shown(centre, _finer(half_width(about), digits)) for centre, about in sides),
                    scale.shown(middle, digits),
                    scale.interval(around),
                    ratios.shown(one.ratio, half_width(one.ratio_ci95)),
                    ratios.interval(one.ratio_ci95),
                    "-" if saved is None else f"{saved - 2 * one.n:,}",
                    _medians(one) if one.difference is None else "",
                )
            )
        return rows

    def _censored(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, one in self.metrics.items():
            if one.difference is None:
                found.setdefault(_short_of(one), []).append(path)
        return found


def _plain(metric: Metric, one: Paired) -> dict[str, Any]:
    found: dict[str, Any] = {
        "unit": metric.kind.unit,
        "a": one.a.mean if one.difference is not None else None,
        "b": one.b.mean if one.difference is not None else None,
        "difference": {"mean": one.difference, "ci95": one.difference_ci95},
        "ratio": {"mean": one.ratio, "ci95": one.ratio_ci95},
        "variance_reduction": one.variance_reduction,
        "independent_runs": one.independent_runs,
        "median_difference": {"median": one.median_difference, "ci95": one.median_difference_ci95},
        "sides": {"a": msgspec.to_builtins(one.a), "b": msgspec.to_builtins(one.b)},
    }
    if one.difference is None:
        found["note"] = f"no mean: {_short_of(one)}; see the medians and shares of both sides"
    return found


def _short_of(one: Paired) -> str:
    """How many runs did not get there."""
    a, b = (side.n - side.reached for side in (one.a, one.b))
    return f"{a:,} of the {counted(one.n, 'run')} of a and {b:,} of b ended without reaching it"


def _finer(one: float | None, other: float | None) -> float | None:
    """The narrower of two half-widths: sides that differ by little must not look the same."""
    return min((half for half in (one, other) if half), default=None)


def _medians(one: Paired) -> str:
    return f"medians; reached {one.a.reached:,} and {one.b.reached:,} of {one.n:,}"
