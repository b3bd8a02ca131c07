"""Independent replications of one scenario, as many as asked for or as many as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from sim.experiment import metrics as named
from sim.experiment import sizing
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Enough, estimate
from sim.experiment.execute import Look, carry_out, workers_of
from sim.experiment.points import Point, Run, Values, columns_of, identity
from sim.experiment.progress import Progress
from sim.experiment.replicated import Replications
from sim.experiment.sizing import Stopped
from sim.experiment.store import open_store
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle


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
    size = sizing.size(n, precision, "replication")
    asked = named.find(scenario, metrics) if metrics else named.defaults(scenario)
    if not asked:
        raise ExperimentError("the scenario has no channel with hosts and a release; name the metrics to measure")
    first = sizing.headline(asked, metrics)
    enough = Enough(asked, sizing.judged(asked, metrics), size.precision)
    narrowing = enough.narrowing[asked.index(first)]
    rows: list[tuple[Run, Values]] = []
    stopped: Stopped = "most" if size.precision is not None else "asked"
    about = identity("replicate", scenario, asked)
    with (
        open_store(out, about, bundle(scenario), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        known = len(store)
        try:
            for row in carry_out(Point(scenario).replications(size.most), asked, crew, store, look):
                rows.append(row)
                precise = enough.add(row[1])
                if progress is not None:
                    progress(sizing.progress(enough, size, known, lambda: sizing.so_far(narrowing)))
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
        precision=size.precision,
        widest=(widest.metric.path, *widest.uncertainty),
        first=first,
    )
