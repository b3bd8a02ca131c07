"""Independent replications of one scenario, as many as asked for or as many as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from sim.experiment import metrics as named
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Enough, Narrowing, estimate
from sim.experiment.execute import Look, carry_out, workers_of
from sim.experiment.points import Point, Run, Values, columns_of, identity
from sim.experiment.progress import Progress
from sim.experiment.replicated import Replications, Stopped
from sim.experiment.store import open_store
from sim.experiment.wording import Scale
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle

PRECISION = 0.05
"""Relative half-width asked for where neither it nor a number of runs is."""
MOST = 1_000
"""Runs after which a precision that has not been reached is given up, unless told otherwise."""
JUDGED = ("s", "hosts/h")
"""Units of the default metrics that have to be narrow: how many hosts fail may be rare, and then would take forever."""
HEADLINE = "time_to_converged_s.p99"
"""Of the default metrics the one to begin with, of the last channel."""


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
        found = columns_of(rows, asked)
        store.write_table(found)
    widest = enough.widest()
    return Replications(
        scenario=scenario,
        asked=asked,
        metrics={
            metric.path: estimate([values[place] for _, values in rows], metric) for place, metric in enumerate(asked)
        },
        columns=found,
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
