"""Carrying out a comparison: pairs of runs under the same luck."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from sim.experiment import metrics as named
from sim.experiment import sizing
from sim.experiment.comparison import Comparison
from sim.experiment.differences import differences
from sim.experiment.errors import ExperimentError
from sim.experiment.estimates import Enough
from sim.experiment.execute import Look, carry_out, workers_of
from sim.experiment.metrics import Metric
from sim.experiment.pairs import Difference, paired
from sim.experiment.points import Point, Run, Values, columns_of, identity
from sim.experiment.progress import Progress
from sim.experiment.sizing import Stopped
from sim.experiment.store import open_store
from sim.result.words import some
from sim.scenario.loader import with_settings
from sim.scenario.schema import Scenario
from sim.scenario.write import bundle


def compare(
    scenario: Scenario,
    other: Scenario | None = None,
    n: int | None = None,
    *,
    a: Mapping[str, Any] | None = None,
    b: Mapping[str, Any] | None = None,
    precision: float | None = None,
    metrics: Sequence[str] | None = None,
    out: str | Path | None = None,
    wait: bool = False,
    workers: int | None = None,
    dask: str | None = None,
    executor: Executor | None = None,
    look: Look | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Comparison:
    """Run two scenarios in pairs, both of a pair with the same seed and the same replication, from replication 0 on.

    Args:
        scenario: the first side, whose seed is that of both.
        other: the second; the same scenario if None.
        n: pairs; with a precision, how many at most (1,000 if None).
        a, b: settings of each side, by path (spec page 10).
        precision: stop when half the 95 % interval of each difference is within this share of the larger of the two
            means, and was for some pairs; 0.05 if neither is given. Without `metrics` it is about the times and
            throughputs.
        metrics: paths into the summary, there on both sides; see `sim.experiment.metrics.defaults`.
        out, wait, workers, dask, executor, look: as `sim.experiment.replicate` has them.
        progress: called after each pair.

    Ctrl-C (`KeyboardInterrupt`) ends it with what is known so far; before the first pair has finished it is raised.

    Raises:
        ExperimentError: an unknown metric, a seed for one side, a directory that holds something else, a worker that
            dies again and again.
        ScenarioError: a setting that does not exist, or a value that does not fit there.
    """
    size = sizing.size(n, precision, "pair")
    first_side, second_side, notes = _sides(scenario, other, a or {}, b or {})
    asked, left_out = _metrics(first_side, second_side, metrics)
    notes += left_out
    first = sizing.headline(asked, metrics)
    pairing = [Difference(metric) for metric in asked]
    enough = Enough(asked, sizing.judged(asked, metrics), size.precision, pairing)
    difference, said = pairing[asked.index(first)], f"b - a of {first.path}"
    points = Point(first_side, {"side": "a"}), Point(second_side, {"side": "b"})
    rows: list[tuple[Run, Values]] = []
    stopped: Stopped = "most" if size.precision is not None else "asked"
    with (
        open_store(out, _identity(first_side, second_side, asked), bundle(first_side), wait=wait) as store,
        workers_of(workers, dask=dask, executor=executor) as crew,
    ):
        known = len(store) // 2
        runs = (Run(point, replication) for replication in range(size.most) for point in points)
        try:
            for row in carry_out(runs, asked, crew, store, look):
                rows.append(row)
                if row[0].point is points[0]:
                    continue
                values = [one.add_sides(*pair) for one, *pair in zip(pairing, rows[-2][1], row[1], strict=True)]
                precise = enough.add(tuple(values))
                if progress is not None:
                    progress(sizing.progress(enough, size, known, lambda: sizing.so_far(difference, said), "pair"))
                if precise:
                    stopped = "precise"
                    break
        except KeyboardInterrupt:
            if not enough.runs:
                raise
            stopped = "interrupted"
        del rows[2 * enough.runs :]
        found = columns_of(rows, asked)
        store.write_table(found)
    widest = enough.widest()
    return Comparison(
        a=first_side,
        b=second_side,
        settings=differences(first_side, second_side),
        asked=asked,
        metrics={
            metric.path: paired(
                [values[place] for _, values in rows[::2]], [values[place] for _, values in rows[1::2]], metric
            )
            for place, metric in enumerate(asked)
        },
        columns=found,
        pairs=enough.runs,
        stopped=stopped,
        precision=size.precision,
        widest=(widest.metric.path, *widest.uncertainty),
        first=first,
        notes=notes,
    )


def _sides(
    scenario: Scenario, other: Scenario | None, a: Mapping[str, Any], b: Mapping[str, Any]
) -> tuple[Scenario, Scenario, list[str]]:
    """Both sides under one seed, and what to say of that."""
    for side, settings in (("a", a), ("b", b)):
        if "seed" in settings:
            raise ExperimentError(
                f"{side}: seed={settings['seed']}: both sides share their luck and so their seed; change it for both "
                "(--seed), or use replicate for each"
            )
    first = with_settings(scenario, a) if a else scenario
    second = scenario if other is None else other
    second = with_settings(second, b) if b else second
    if second.seed == first.seed:
        return first, second, []
    note = f"{second.name} has seed {second.seed}; run with seed {first.seed}, so that both sides share their luck."
    return first, with_settings(second, {"seed": first.seed}), [note]


def _metrics(a: Scenario, b: Scenario, paths: Sequence[str] | None) -> tuple[list[Metric], list[str]]:
    """The metrics that both sides have, and what to say of others."""
    if paths:
        asked = named.find(a, paths)
        try:
            named.find(b, paths)
        except ExperimentError as error:
            raise ExperimentError(f"in the second scenario, {error}") from None
        return asked, []
    mine, theirs = named.defaults(a), named.defaults(b)
    asked = [metric for metric in mine if metric in theirs]
    if not asked:
        raise ExperimentError("the two have no channel with hosts and a release in common; name the metrics to measure")
    alone = [metric.path for metric in [*mine, *theirs] if (metric in mine) != (metric in theirs)]
    return asked, [f"Not on both sides, and left out: {some(alone)}."] if alone else []


def _identity(a: Scenario, b: Scenario, asked: Sequence[Metric]) -> dict[str, Any]:
    return identity("compare", a, asked, other=identity("compare", b, asked)["scenario"])
