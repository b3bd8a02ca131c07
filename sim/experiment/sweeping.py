"""Carrying out a sweep: all points under the same luck, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sim.experiment.checks import metrics_of, points_of, said
from sim.experiment.designs import Design, Setting, combine, setting
from sim.experiment.effects import Effects, effects
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Narrowing, estimate
from sim.experiment.execute import Look, carry_out, workers_of
from sim.experiment.metrics import Metric
from sim.experiment.points import Point, Run, Values, columns_of, frame, identity
from sim.experiment.progress import Progress
from sim.experiment.sizing import headline, so_far
from sim.experiment.store import TABLE, Store, open_store
from sim.experiment.swept import Statistic, Sweep
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle

REPLICATIONS = 10
FIGURES = "figures"

Rows = list[tuple[Run, Values]]


def sweep(
    scenario: Scenario,
    vary: Mapping[str, str | Sequence[Any]],
    n: int = REPLICATIONS,
    *,
    design: Design = "grid",
    points: int | None = None,
    metrics: Sequence[str] | None = None,
    out: str | Path | None = None,
    wait: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    folder: Path | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Sweep:
    """Run a scenario under many settings, replications 0 to n − 1 at each point: the same luck at all of them.

    Nothing is run before all points are found to be right.

    Args:
        vary: per setting path (spec page 10) its values, as a list or as text `V1,V2`; or, for `lhs` and `sobol`, its
            range as text `LOW..HIGH`.
        n: replications of each point.
        design: every combination; or a Latin hypercube, or a scrambled Sobol sequence, drawn by the scenario's seed.
        points: how many, for `lhs` and `sobol`.
        metrics: paths into the summary; see `sim.experiment.metrics.defaults`.
        out: a directory to keep the runs, the table and the figures in, from which the same call goes on, and one with
            more values or more replications, too.
        wait, workers, dask, executor, look, progress: as `sim.experiment.replicate` has them.
        folder: what files in the values are relative to; the working directory if None.

    Ctrl-C (`KeyboardInterrupt`) ends it with what is known so far; before the first run has finished it is raised.

    Raises:
        ExperimentError: a design that makes no sense, a point that the scenario cannot have, an unknown metric, a
            directory that holds something else, a worker that dies again and again.
    """
    if n < 1:
        raise ExperimentError(f"expected at least one replication, got {n}")
    settings = [setting(path.strip(), given) for path, given in vary.items()]
    combined = combine(settings, design, points, scenario.seed)
    there = points_of(scenario, settings, combined, folder)
    asked, notes = metrics_of(there, settings, metrics)
    if points is not None and len(there) < points:
        notes.append(f"{points:,} points were asked for; the values give {len(there):,} different ones.")
    first = headline(asked, metrics)
    rows: Rows = []
    interrupted = False
    with (
        open_store(out, identity("sweep", scenario, asked), bundle(scenario), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        runs = [run for point in there for run in point.replications(n)]
        known = sum(store.known(run) is not None for run in runs)
        try:
            for row in carry_out(runs, asked, crew, store, look):
                rows.append(row)
                if progress is not None:
                    progress(_progress(settings, rows, len(runs), known, asked.index(first), first))
        except KeyboardInterrupt:
            if not rows:
                raise
            interrupted = True
        tabled = columns_of(rows, asked)
        found = _swept(scenario, settings, design, there, n, asked, first, rows, interrupted, notes)
        if store.directory is not None:
            # the table last: by it the next time knows that the figures are of it
            found.files.update(_figures(found, store, store.directory, fresh=not store.has_table(tabled)))
            found.files["table"] = store.directory / TABLE
            store.write_table(tabled)
    return found


def _swept(
    scenario: Scenario,
    settings: list[Setting],
    design: Design,
    points: list[Point],
    n: int,
    asked: list[Metric],
    first: Metric,
    rows: Rows,
    interrupted: bool,
    notes: list[str],
) -> Sweep:
    by_point: dict[str, list[Values]] = {}
    for run, values in rows:
        by_point.setdefault(run.point.key, []).append(values)
    # an interrupted sweep may not have come to the last of them
    done = [point for point in points if point.key in by_point]
    estimates = pd.DataFrame(
        [
            point.settings | _estimated([values[place] for values in by_point[point.key]], metric)
            for place, metric in enumerate(asked)
            for point in done
        ]
    )
    statistics: dict[str, Statistic] = {}
    known: dict[str, Effects] = {}
    for place, metric in enumerate(asked):
        mine = estimates[estimates["metric"] == metric.path]
        statistics[metric.path] = _statistic(mine)
        response = _response(statistics[metric.path], mine, [by_point[point.key] for point in done], place)
        settled = [point.settings for point in done]
        found = None if interrupted else effects(settings, settled, response, full=design == "grid")
        if found is not None:
            known[metric.path] = found
    if not known and not interrupted:
        notes = [*notes, "Too few points to tell the effects of the settings apart."]
    return Sweep(
        scenario=scenario,
        settings=settings,
        design=design,
        points=points,
        replications=n,
        asked=asked,
        first=first,
        table=frame(columns_of(rows, asked)),
        estimates=estimates,
        statistics=statistics,
        effects=known,
        interrupted=interrupted,
        notes=notes,
    )


def _estimated(values: Sequence[float | None], metric: Metric) -> dict[str, Any]:
    found = estimate(values, metric)
    mean_low, mean_high = found.mean_ci95 or (None, None)
    numbers = {
        "mean": found.mean,
        "mean_low": mean_low,
        "mean_high": mean_high,
        "median": found.median,
        "median_low": found.median_ci95[0],
        "median_high": found.median_ci95[1],
    }
    return {
        "metric": metric.path,
        "n": found.n,
        "reached": found.reached,
        "reached_share": found.reached_share,
        "reached_low": found.reached_ci95[0],
        "reached_high": found.reached_ci95[1],
        **{name: np.nan if value is None else value for name, value in numbers.items()},
    }


def _statistic(estimates: pd.DataFrame) -> Statistic:
    """What the points of a metric can be compared by."""
    if estimates["mean"].notna().all():
        return "mean"
    return "median" if estimates["median"].notna().all() else "reached"


def _response(
    statistic: Statistic, estimates: pd.DataFrame, values: Sequence[Sequence[Values]], place: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A row per point, and a column per replication where the statistic is a mean of one number of each."""
    if statistic == "median":
        return estimates["median"].to_numpy(dtype=np.float64)[:, None]
    # an interrupted sweep may have fewer runs of its last point
    runs = min(map(len, values))
    if statistic == "reached":
        return np.array([[float(one[place] is not None) for one in point[:runs]] for point in values])
    return np.array([[one[place] for one in point[:runs]] for point in values], dtype=np.float64)


def _figures(found: Sweep, store: Store, directory: Path, *, fresh: bool) -> dict[str, Path]:
    """The figure of each metric, as a file; one that is there is drawn again if the table is `fresh`."""
    (directory / FIGURES).mkdir(exist_ok=True)
    files: dict[str, Path] = {}
    for metric in found.asked:
        name = f"{re.sub(r'[^A-Za-z0-9_.-]', '_', metric.path)}.svg"
        if directory / FIGURES / name in files.values():
            name = f"{len(files)}-{name}"
        files[metric.path] = directory / FIGURES / name
        if fresh or not files[metric.path].exists():
            from sim.plot import svg

            store.write(Path(FIGURES) / name, svg(found.figure(metric.path)).encode() + b"\n")
    return files


def _progress(settings: Sequence[Setting], rows: Rows, of: int, known: int, place: int, first: Metric) -> Progress:
    point, done = rows[-1][0].point, len(rows)

    def says() -> str:
        here = Narrowing(first)
        for run, values in rows:
            if run.point is point:
                here.add(values[place])
        return f"{said(settings, point.settings)}: {so_far(here)}"

    return Progress(done=done, known=min(known, done), of=of, fixed=True, says=says)
