"""Independent replications of one scenario, as many as asked for or as many as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Enough, Estimate, Narrowing, estimate
from sim.experiment.execute import Look, carry_out, workers_of
from sim.experiment.intervals import half_width
from sim.experiment.metrics import Metric
from sim.experiment.points import Point, Run, Values, identity, table
from sim.experiment.progress import Progress
from sim.experiment.store import open_store
from sim.experiment.wording import Scale, columns, percent
from sim.result.words import counted, some
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle

if TYPE_CHECKING:
    import pandas as pd

PRECISION = 0.05
"""Relative half-width asked for where neither it nor a number of runs is."""
MOST = 1_000
"""Runs after which a precision that has not been reached is given up, unless told otherwise."""
JUDGED = ("s", "hosts/h")
"""Units of the default metrics that have to be narrow: how many hosts fail may be rare, and then would take forever."""
HEADLINE = "time_to_converged_s.p99"
"""Of the default metrics the one to begin with, of the last channel."""

Stopped = Literal["precise", "asked", "most", "interrupted"]


@dataclass(frozen=True)
class Replications:
    """What independent replications of a scenario say; `print` it."""

    scenario: Scenario
    asked: list[Metric]
    metrics: dict[str, Estimate]
    """By path. Times in seconds, shares from 0 to 1."""
    table: pd.DataFrame
    """A row per replication, a column per metric; NaN where the run ended without reaching it."""
    stopped: Stopped
    """Why there are no more: the precision was reached, that many were asked for, there were as many as may be, or
    somebody interrupted."""
    precision: float | None
    """The relative half-width asked for."""
    widest: tuple[str, Literal["mean", "median", "share"], float]
    """The metric that is least known, what of it, and half the width of its interval, relative to it."""
    first: Metric
    """The metric that the answer begins with."""

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
            "replications": len(self.table),
            "stopped": self.stopped,
            "precision": self.precision,
            "metrics": found,
        }

    def describe(self) -> str:
        """In words: one metric, how many runs and why that was enough, and a table of all metrics."""
        notes = [
            f"No mean of {some(paths)}: {what}. The quantiles count these as beyond all others."
            for what, paths in self._censored().items()
        ]
        return "\n".join(
            [
                f"{self.scenario.name}: {_headline(self.first, self.metrics[self.first.path])}",
                f"{counted(len(self.table), 'run')}, seed {self.scenario.seed}: {self._why()}",
                "",
                *(f"  {line}" for line in self._lines()),
                "",
                *notes,
                "Intervals are 95 %: Student's t for means, order statistics for medians, Wilson's for shares.",
            ]
        )

    def __str__(self) -> str:
        return self.describe()

    def _why(self) -> str:
        path, what, width = self.widest
        of = {"mean": f"the mean of {path}", "median": f"the median of {path}", "share": f"how many runs reach {path}"}
        known = f"the least known is {of[what]}, to ± {percent(width)}"
        if len(self.table) == 1:
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

    def _lines(self) -> list[str]:
        rows = [("metric", "unit", "mean", "95 % interval", "median", "95 % interval", "p90", "p99", "reached")]
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
        return columns(rows, left=2)

    def _censored(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, one in self.metrics.items():
            if one.mean is None:
                found.setdefault(_short_of(one), []).append(path)
        return found


def replicate(
    scenario: Scenario,
    n: int | None = None,
    *,
    precision: float | None = None,
    metrics: Sequence[str] | None = None,
    out: str | Path | None = None,
    wait: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Replications:
    """Run independent replications of a scenario, from replication 0 on.

    Args:
        n: how many; with a precision, how many at most (1,000 if None).
        precision: stop when half the 95 % interval of each metric is within this share of its mean, and was for some
            runs; 0.05 if neither is given. Without `metrics` it is about the times and throughputs.
        metrics: paths into the summary (spec page 10); see `sim.experiment.metrics.defaults`.
        out: a directory to keep the runs in, from which the same call goes on.
        wait: wait while another process works in that directory.
        workers, dask, executor: where to run, see `sim.experiment.execute.workers_of`.
        look: called several times a second.
        progress: called after each run.

    Ctrl-C (`KeyboardInterrupt`) ends it with what is known so far; before the first run has finished it is raised.

    Raises:
        ExperimentError: an unknown metric, a directory that holds something else, a worker that dies again and again.
    """
    if n is None and precision is None:
        precision = PRECISION
    if n is not None and n < 1:
        raise ExperimentError(f"expected at least one replication, got {n}")
    if precision is not None and not 0 < precision < 1:
        raise ExperimentError(f"expected a precision between 0 and 100 %, got {precision:.0%}")
    asked = named.find(scenario, metrics) if metrics else named.defaults(scenario)
    if not asked:
        raise ExperimentError("the scenario has no channel with hosts and a release; name the metrics to measure")
    first = asked[0] if metrics else next(one for one in reversed(asked) if one.path.endswith(HEADLINE))
    places = [place for place, metric in enumerate(asked) if metrics or metric.kind.unit in JUDGED]
    enough = Enough(asked, places, precision)
    most = MOST if n is None else n
    rows: list[tuple[Run, Values]] = []
    stopped: Stopped = "most" if precision is not None else "asked"
    about = identity("replicate", scenario, asked)
    with (
        open_store(out, about, bundle(scenario), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        known = len(store)
        try:
            for row in carry_out(Point(scenario).replications(most), asked, crew, store, look):
                rows.append(row)
                precise = enough.add(row[1])
                if progress is not None:
                    progress(_progress(enough, asked.index(first), most, known))
                if precise:
                    stopped = "precise"
                    break
        except KeyboardInterrupt:
            if not rows:
                raise
            stopped = "interrupted"
        found = table(rows, asked)
        store.write_table(found)
    widest = enough.widest()
    return Replications(
        scenario=scenario,
        asked=asked,
        metrics={
            metric.path: estimate([values[place] for _, values in rows], metric) for place, metric in enumerate(asked)
        },
        table=found,
        stopped=stopped,
        precision=precision,
        widest=(widest.metric.path, *widest.uncertainty),
        first=first,
    )


def _progress(enough: Enough, first: int, most: int, known: int) -> Progress:
    expected = most if enough.precision is None else enough.expected()
    return Progress(
        done=enough.runs,
        known=min(known, enough.runs),
        of=None if expected is None else min(expected, most),
        fixed=enough.precision is None,
        says=lambda: _so_far(enough.narrowing[first]),
    )


def _so_far(first: Narrowing) -> str:
    half = first.half_width
    if half is None:
        return first.metric.path
    scale = Scale.of(first.metric.kind.unit, (first.mean,))
    return f"{first.metric.path}: {scale.shown(first.mean, half)} ± {scale.shown(half, half)} {scale.unit}".rstrip()


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
