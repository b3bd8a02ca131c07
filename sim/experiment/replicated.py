"""What independent replications of a scenario have found, as data and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sim.experiment.estimates import Estimate, running
from sim.experiment.intervals import half_width
from sim.experiment.metrics import Metric
from sim.experiment.points import Columns, frame
from sim.experiment.sizing import Stopped
from sim.experiment.wording import Scale, columns, percent
from sim.result.words import counted, some
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Replications:
    """What independent replications of a scenario say; `print` it."""

    scenario: Scenario
    asked: list[Metric]
    metrics: dict[str, Estimate]
    """By path. Times in seconds, shares from 0 to 1."""
    columns: Columns
    """The columns of `table`."""
    stopped: Stopped
    """Why there are no more: the precision was reached, that many were asked for, there were as many as may be, or
    somebody interrupted."""
    precision: float | None
    """The relative half-width asked for."""
    widest: tuple[str, Literal["mean", "median", "share"], float]
    """The metric that is least known, what of it, and half the width of its interval, relative to it."""
    first: Metric
    """The metric that the answer begins with."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per replication, a column per metric; NaN where the run ended without reaching it."""
        return frame(self.columns)

    @property
    def runs(self) -> int:
        """How many there were."""
        return len(self.columns["replication"])

    @property
    def interrupted(self) -> bool:
        """Whether somebody interrupted it."""
        return self.stopped == "interrupted"

    @property
    def summary(self) -> dict[str, Any]:
        """The plain data of spec page 10 that `replicate --json` prints."""
        found = {}
        for metric in self.asked:
            one = self.metrics[metric.path]
            found[metric.path] = {"unit": metric.kind.unit, **msgspec.to_builtins(one)}
            if one.mean is None:
                found[metric.path]["note"] = f"no mean: {_short_of(one)}"
        return {
            "scenario": self.scenario.name,
            "seed": self.scenario.seed,
            "replications": self.runs,
            "stopped": self.stopped,
            "precision": self.precision,
            "metrics": found,
        }

    def describe(self) -> str:
        """In words: one metric, how many runs and why that was enough, and a table of all metrics."""
        return "\n".join(
            [
                f"{self.scenario.name}: {self.sentences[0]}",
                self.enough,
                "",
                *(f"  {line}" for line in columns(self.rows, left=2)),
                "",
                *self.footnotes,
            ]
        )

    def __str__(self) -> str:
        return self.describe()

    def running(self, path: str) -> pd.DataFrame:
        """How a metric's estimate settled: a row per number of `runs` (400 of them if there are more), its `mean`, or
        `median` where some run did not reach it, and `low` and `high`, the ends of the interval; NaN where unknown.

        Raises:
            KeyError: it was not measured.
        """
        metric = {one.path: one for one in self.asked}[path]
        return running([None if math.isnan(value) else value for value in self.table[path]], metric)

    @property
    def sentences(self) -> list[str]:
        """The answer."""
        return [_headline(self.first, self.metrics[self.first.path])]

    @property
    def enough(self) -> str:
        """How many runs there are, and why not more."""
        return f"{counted(self.runs, 'run')}, seed {self.scenario.seed}: {self._why()}"

    @property
    def footnotes(self) -> list[str]:
        """What to know to read the table."""
        censored = [
            f"No mean of {some(paths)}: {what}. The quantiles count these as beyond all others."
            for what, paths in self._censored().items()
        ]
        return [
            *censored,
            "Intervals are 95 %: Student's t for means, order statistics for medians, Wilson's for shares.",
        ]

    def _why(self) -> str:
        path, what, width = self.widest
        of = {"mean": f"the mean of {path}", "median": f"the median of {path}", "share": f"how many runs reach {path}"}
        known = f"the least known is {of[what]}, to ± {percent(width)}"
        if self.runs == 1:
            known = "a single run, which says nothing of how much runs differ"
        match self.stopped:
            case "precise":
                assert self.precision is not None
                return f"enough for ± {100 * self.precision:g} %; {known}"
            case "asked":
                return f"as asked for; {known}"
            case "most":
                assert self.precision is not None
                return f"not enough for ± {100 * self.precision:g} %; {known}"
            case "interrupted":
                return f"interrupted; {known}"

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The table of all metrics as text, its heads first."""
        rows: list[tuple[str, ...]] = [
            ("metric", "unit", "mean", "95 % interval", "median", "95 % interval", "p90", "p99", "reached")
        ]
        for metric in self.asked:
            one = self.metrics[metric.path]
            scale = Scale.of(metric.kind.unit, (one.mean, one.median))
            digits = half_width(one.mean_ci95) or half_width(one.median_ci95)
            rows.append(
                (
                    metric.path,
                    scale.unit,
                    scale.shown(one.mean, digits),
                    scale.interval(one.mean_ci95),
                    scale.shown(one.median, digits),
                    scale.interval(one.median_ci95),
                    scale.shown(one.p90, digits),
                    scale.shown(one.p99, digits),
                    f"{one.reached:,} of {one.n:,}" if one.reached < one.n else "",
                )
            )
        return rows

    def _censored(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, one in self.metrics.items():
            if one.mean is None:
                found.setdefault(_short_of(one), []).append(path)
        return found


def _headline(metric: Metric, found: Estimate) -> str:
    if found.mean is not None:
        scale = Scale.of(metric.kind.unit, (found.mean,))
        around = f" ({scale.interval(found.mean_ci95)})" if half_width(found.mean_ci95) is not None else ""
        mean = scale.shown(found.mean, half_width(found.mean_ci95))
        return f"{metric.path} is {mean} {scale.unit} on average{around}".replace("  ", " ")
    low, high = found.reached_ci95
    said = (
        f"{percent(found.reached_share)} of the runs ({percent(low)} to {percent(high)}) reached {metric.path} before "
        "they ended"
    )
    if found.median is None:
        return said
    scale = Scale.of(metric.kind.unit, (found.median,))
    around = scale.interval(found.median_ci95)
    return f"{said}; its median is {scale.shown(found.median, half_width(found.median_ci95))} {scale.unit} ({around})"


def _short_of(found: Estimate) -> str:
    """How many runs did not get there."""
    return f"{found.n - found.reached:,} of {counted(found.n, 'run')} ended without reaching it"
